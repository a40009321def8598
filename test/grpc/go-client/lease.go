package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var leaseChecks = []check{
	{"lease: kept alive past its time, then revoked with its keys", leaseAlive},
	{"lease: expires when nobody keeps it, and a watch sees it", leaseExpires},
	{"lease: a hundred on one stream", leaseMany},
	{"lease: times, lists and errors", leaseTold},
}

func leaseAlive(w *world) error {
	c := w.client
	granted, err := c.Grant(w.ctx, 2)
	if err != nil {
		return err
	}
	if _, err = c.Put(w.ctx, "leased", "x", clientv3.WithLease(granted.ID)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	beats, err := c.KeepAlive(ctx, granted.ID)
	if err != nil {
		return err
	}
	began := time.Now()
	for time.Since(began) < 4*time.Second {
		if beat, ok := <-beats; !ok || beat.TTL != 2 {
			return fmt.Errorf("beat %v after %v", beat, time.Since(began))
		}
	}
	cancel()
	there, err := c.Get(w.ctx, "leased")
	if err != nil {
		return err
	}
	if _, err = c.Revoke(w.ctx, granted.ID); err != nil {
		return err
	}
	gone, err := c.Get(w.ctx, "leased")
	if err != nil {
		return err
	}
	_, once := c.KeepAliveOnce(w.ctx, granted.ID)
	return all(expect("kept", there.Count, 1), expect("left", gone.Count, 0), expect("a beat", once, rpctypes.ErrLeaseNotFound))
}

func leaseExpires(w *world) error {
	granted, err := w.client.Grant(w.ctx, 1)
	if err != nil {
		return err
	}
	put, err := w.client.Put(w.ctx, "expiring", "x", clientv3.WithLease(granted.ID))
	if err != nil {
		return err
	}
	began := time.Now()
	_, err = take(w.client.Watch(w.ctx, "expiring", clientv3.WithRev(put.Header.Revision)), 2)
	if err == nil && time.Since(began) < 900*time.Millisecond {
		return fmt.Errorf("gone after %v", time.Since(began))
	}
	return err
}

func leaseMany(w *world) error {
	var all []<-chan *clientv3.LeaseKeepAliveResponse
	for range 100 {
		granted, err := w.client.Grant(w.ctx, 60)
		if err != nil {
			return err
		}
		beats, err := w.client.KeepAlive(w.ctx, granted.ID)
		if err != nil {
			return err
		}
		all = append(all, beats)
	}
	for _, beats := range all {
		if beat := <-beats; beat == nil || beat.TTL != 60 {
			return errors.New("no beat")
		}
	}
	return nil
}

func leaseTold(w *world) error {
	granted, err := w.client.Grant(w.ctx, 600)
	if err != nil {
		return err
	}
	if _, err = w.client.Put(w.ctx, "told", "x", clientv3.WithLease(granted.ID)); err != nil {
		return err
	}
	left, err := w.client.TimeToLive(w.ctx, granted.ID, clientv3.WithAttachedKeys())
	if err != nil {
		return err
	}
	leases, err := w.client.Leases(w.ctx)
	if err != nil {
		return err
	}
	found := false
	for _, lease := range leases.Leases {
		found = found || lease.ID == granted.ID
	}
	_, tooLong := w.client.Grant(w.ctx, 9_000_000_001)
	unknown, err := w.client.TimeToLive(w.ctx, 1)
	if err != nil {
		return err
	}
	return all(
		expect("granted", left.GrantedTTL, 600), expect("keys", string(left.Keys[0]), "told"), expect("listed", found, true),
		expect("too long", tooLong, rpctypes.ErrLeaseTTLTooLarge), expect("unknown", unknown.TTL, -1),
	)
}
