package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var restartChecks = []check{
	{"restart: a client of three endpoints goes on when one is gone", oneGone},
	{"restart: watch, session and lock live through a restart of the fronts", func(w *world) error { return lives(w, "restart the fronts", "fronts") }},
	{"restart: watch, session and lock live through a restart of the servers", func(w *world) error { return lives(w, "restart the servers", "servers") }},
}

func oneGone(w *world) error {
	put, err := w.client.Put(w.ctx, "gone/0", "x")
	if err != nil {
		return err
	}
	watched := w.client.Watch(w.ctx, "gone/", clientv3.WithPrefix(), clientv3.WithRev(put.Header.Revision))
	if err := w.please("stop the first front"); err != nil {
		return err
	}
	for at := range 20 {
		if err := patiently(w, func() error { _, err := w.client.Put(w.ctx, fmt.Sprintf("gone/%d", at+1), "x"); return err }); err != nil {
			return err
		}
	}
	got, err := take(watched, 21)
	if err != nil {
		return err
	}
	return all(expect("events", len(got), 21), w.please("start the first front"))
}

// A put is not tried again by the client itself, since it may have been done.
func patiently(w *world, run func() error) error {
	for {
		err := run()
		if err == nil || w.ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func lives(w *world, what, name string) error {
	session, err := concurrency.NewSession(w.client, concurrency.WithTTL(20))
	if err != nil {
		return err
	}
	defer session.Close()
	mutex := concurrency.NewMutex(session, "restart/lock/"+name)
	if err = mutex.Lock(w.ctx); err != nil {
		return err
	}
	prefix := "restart/" + name + "/"
	watched := w.client.Watch(clientv3.WithRequireLeader(w.ctx), prefix, clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	<-watched
	if _, err = w.client.Put(w.ctx, prefix+"a", "1"); err != nil {
		return err
	}
	if err = w.please(what); err != nil {
		return err
	}
	if err = patiently(w, func() error { _, err := w.client.Put(w.ctx, prefix+"b", "2"); return err }); err != nil {
		return err
	}
	var seen []string
	for len(seen) < 2 {
		resp, ok := <-watched
		if !ok || resp.Err() != nil {
			return fmt.Errorf("the watch is over: %v", resp.Err())
		}
		for _, ev := range resp.Events {
			seen = append(seen, string(ev.Kv.Key))
		}
	}
	select {
	case <-session.Done():
		return errors.New("the session is over")
	default:
	}
	owned, err := w.client.Txn(w.ctx).If(mutex.IsOwner()).Then(clientv3.OpGet("a")).Commit()
	if err != nil {
		return err
	}
	return all(expect("events", strings.Join(seen, " "), prefix+"a "+prefix+"b"), expect("the owner", owned.Succeeded, true), mutex.Unlock(w.ctx))
}
