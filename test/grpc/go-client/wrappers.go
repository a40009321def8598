package main

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/ordering"
)

var wrapperChecks = []check{
	{"leasing: a cached key is given up when somebody else writes it", leasingKV},
	{"namespace: keys, txns, watches and leases under a prefix", namespaced},
	{"mirror: what is there, then what comes", mirrored},
	{"ordering: serializable reads from three members never go back", ordered},
}

func leasingKV(w *world) error {
	one, closeOne, err := leasing.NewKV(w.client, "leasing/")
	if err != nil {
		return err
	}
	defer closeOne()
	two, closeTwo, err := leasing.NewKV(w.client, "leasing/")
	if err != nil {
		return err
	}
	defer closeTwo()
	if _, err = one.Put(w.ctx, "cached", "1"); err != nil {
		return err
	}
	for range 3 {
		if _, err = one.Get(w.ctx, "cached"); err != nil {
			return err
		}
	}
	if _, err = two.Put(w.ctx, "cached", "2"); err != nil {
		return err
	}
	got, err := one.Get(w.ctx, "cached")
	if err != nil {
		return err
	}
	txn, err := one.Txn(w.ctx).If(clientv3.Compare(clientv3.Value("cached"), "=", "2")).Then(clientv3.OpDelete("cached")).Commit()
	if err != nil {
		return err
	}
	return all(expect("after the other's put", values(got), "cached=2"), expect("the txn", txn.Succeeded, true))
}

func namespaced(w *world) error {
	kv, watcher := namespace.NewKV(w.client, "ns/"), namespace.NewWatcher(w.client, "ns/")
	lease := namespace.NewLease(w.client, "ns/")
	granted, err := lease.Grant(w.ctx, 60)
	if err != nil {
		return err
	}
	put, err := kv.Put(w.ctx, "a", "1", clientv3.WithLease(granted.ID))
	if err != nil {
		return err
	}
	if _, err = kv.Txn(w.ctx).If(clientv3.Compare(clientv3.Version("a"), "=", 1)).Then(clientv3.OpPut("b", "2")).Commit(); err != nil {
		return err
	}
	events, err := take(watcher.Watch(w.ctx, "", clientv3.WithPrefix(), clientv3.WithRev(put.Header.Revision)), 2)
	if err != nil {
		return err
	}
	inside, err := kv.Get(w.ctx, "", clientv3.WithFromKey())
	if err != nil {
		return err
	}
	outside, err := w.client.Get(w.ctx, "ns/", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	left, err := lease.TimeToLive(w.ctx, granted.ID, clientv3.WithAttachedKeys())
	if err != nil {
		return err
	}
	return all(
		expect("events", strings.Join(events, ", "), "PUT a=1, PUT b=2"), expect("inside", values(inside), "a=1 b=2"),
		expect("outside", values(outside), "ns/a=1 ns/b=2"), expect("attached", string(left.Keys[0]), "a"),
	)
}

func mirrored(w *world) error {
	for at := range 5 {
		if _, err := w.client.Put(w.ctx, fmt.Sprintf("mirror/%d", at), "x"); err != nil {
			return err
		}
	}
	syncer := mirror.NewSyncer(w.client, "mirror/", 0)
	base, problems := syncer.SyncBase(w.ctx)
	var keys []string
	for resp := range base {
		for _, kv := range resp.Kvs {
			keys = append(keys, string(kv.Key))
		}
	}
	if err := <-problems; err != nil {
		return err
	}
	sort.Strings(keys)
	updates := syncer.SyncUpdates(w.ctx)
	if _, err := w.client.Put(w.ctx, "mirror/9", "y"); err != nil {
		return err
	}
	got, err := take(updates, 1)
	return all(err, expect("base", len(keys), 5), expect("updates", strings.Join(got, ", "), "PUT mirror/9=y"))
}

func ordered(w *world) error {
	kv := ordering.NewKV(w.client.KV, ordering.NewOrderViolationSwitchEndpointClosure(w.client))
	last := int64(0)
	for at := range 30 {
		if _, err := w.client.Put(w.ctx, "ordered", fmt.Sprint(at)); err != nil {
			return err
		}
		got, err := kv.Get(w.ctx, "ordered", clientv3.WithSerializable())
		if errors.Is(err, ordering.ErrNoGreaterRev) {
			continue
		}
		if err != nil {
			return err
		}
		if got.Header.Revision < last {
			return fmt.Errorf("from %d back to %d", last, got.Header.Revision)
		}
		last = got.Header.Revision
	}
	_, err := kv.Txn(context.WithoutCancel(w.ctx)).Then(clientv3.OpGet("ordered")).Commit()
	return err
}
