package main

import (
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/kubernetes"
)

var kvChecks = []check{
	{"kv: put, get, delete, and a txn within a txn", kvBasics},
	{"kv: errors are those of rpctypes", kvErrors},
	{"kv: a range as a stream", kvStream},
	{"kv: the interface for Kubernetes", kvKubernetes},
	{"kv: three endpoints, the client takes turns and sees all members", kvEndpoints},
	{"kv: Sync takes the endpoints from the member list, and they serve", kvSync},
}

func kvBasics(w *world) error {
	c, ctx := w.client, w.ctx
	for _, key := range []string{"go/a", "go/b", "go/c"} {
		if _, err := c.Put(ctx, key, "1"); err != nil {
			return err
		}
	}
	put, err := c.Put(ctx, "go/a", "2", clientv3.WithPrevKV())
	if err != nil {
		return err
	}
	sorted, err := c.Get(ctx, "go/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend), clientv3.WithLimit(2))
	if err != nil {
		return err
	}
	past, err := c.Get(ctx, "go/a", clientv3.WithRev(put.Header.Revision-1), clientv3.WithSerializable())
	if err != nil {
		return err
	}
	inner := clientv3.OpTxn(
		[]clientv3.Cmp{clientv3.Compare(clientv3.Version("go/"), ">", 0).WithPrefix()},
		[]clientv3.Op{clientv3.OpDelete("go/c", clientv3.WithPrevKV())}, nil)
	txn, err := c.Txn(ctx).If(clientv3.Compare(clientv3.Value("go/a"), "=", "2")).Then(inner, clientv3.OpGet("go/", clientv3.WithPrefix(), clientv3.WithCountOnly())).Commit()
	if err != nil {
		return err
	}
	return all(
		expect("the previous value", string(put.PrevKv.Value), "1"),
		expect("the newest two", values(sorted), "go/a=2 go/c=1"),
		expect("more", sorted.More, true),
		expect("the past", values(past), "go/a=1"),
		expect("the inner deletion", txn.Responses[0].GetResponseTxn().Responses[0].GetResponseDeleteRange().Deleted, 1),
		expect("the count", txn.Responses[1].GetResponseRange().Count, 2),
	)
}

func kvErrors(w *world) error {
	_, empty := w.client.Put(w.ctx, "", "x")
	_, future := w.client.Get(w.ctx, "a", clientv3.WithRev(1<<40))
	_, lease := w.client.Put(w.ctx, "a", "x", clientv3.WithLease(12345))
	_, twice := w.client.Txn(w.ctx).Then(clientv3.OpPut("a", "1"), clientv3.OpPut("a", "2")).Commit()
	_, large := w.client.Put(w.ctx, "large", string(make([]byte, 1_700_000)))
	for at, pair := range [][2]error{{empty, rpctypes.ErrEmptyKey}, {future, rpctypes.ErrFutureRev}, {lease, rpctypes.ErrLeaseNotFound}, {twice, rpctypes.ErrDuplicateKey}, {large, rpctypes.ErrRequestTooLarge}} {
		if !errors.Is(pair[0], pair[1]) {
			return fmt.Errorf("error %d is %v, not %v", at, pair[0], pair[1])
		}
	}
	return nil
}

func kvStream(w *world) error {
	value := string(make([]byte, 50_000))
	for at := range 100 {
		if _, err := w.client.Put(w.ctx, fmt.Sprintf("stream/%03d", at), value); err != nil {
			return err
		}
	}
	stream, err := w.client.GetStream(w.ctx, "stream/", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	got, headers := &clientv3.GetResponse{}, 0
	for part := range stream {
		if part.Err() != nil {
			return part.Err()
		}
		got.Kvs = append(got.Kvs, part.RangeResponse.Kvs...)
		got.Count, got.More = part.RangeResponse.Count, part.RangeResponse.More
		if part.RangeResponse.Header != nil {
			headers++
		}
	}
	return all(expect("headers", headers, 1), expect("keys", len(got.Kvs), 100), expect("count", got.Count, 100), expect("more", got.More, false))
}

func kvKubernetes(w *world) error {
	client, err := kubernetes.New(clientv3.Config{Endpoints: w.endpoints, Logger: w.client.GetLogger()})
	if err != nil {
		return err
	}
	defer client.Close()
	k := client.Kubernetes
	made, err := k.OptimisticPut(w.ctx, "/registry/one", []byte("1"), 0, kubernetes.PutOptions{})
	if err != nil {
		return err
	}
	again, err := k.OptimisticPut(w.ctx, "/registry/one", []byte("2"), 0, kubernetes.PutOptions{GetOnFailure: true})
	if err != nil {
		return err
	}
	if _, err = k.OptimisticPut(w.ctx, "/registry/two", []byte("2"), 0, kubernetes.PutOptions{}); err != nil {
		return err
	}
	page, err := k.List(w.ctx, "/registry/", kubernetes.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	next, err := k.List(w.ctx, "/registry/", kubernetes.ListOptions{Limit: 1, Revision: page.Revision, Continue: string(page.Kvs[0].Key) + "\x00"})
	if err != nil {
		return err
	}
	count, err := k.Count(w.ctx, "/registry/", kubernetes.CountOptions{})
	if err != nil {
		return err
	}
	gone, err := k.OptimisticDelete(w.ctx, "/registry/one", made.Revision, kubernetes.DeleteOptions{})
	if err != nil {
		return err
	}
	return all(
		expect("the first put", made.Succeeded, true), expect("the second", again.Succeeded, false),
		expect("what it met", again.KV.ModRevision, made.Revision), expect("the count", count, 2),
		expect("the page", page.Count, 2), expect("the next", string(next.Kvs[0].Key), "/registry/two"),
		expect("the deletion", gone.Succeeded, true),
	)
}

func kvEndpoints(w *world) error {
	seen := map[uint64]bool{}
	for range 30 {
		got, err := w.client.Get(w.ctx, "a", clientv3.WithSerializable())
		if err != nil {
			return err
		}
		seen[got.Header.MemberId] = true
	}
	return expect("the number of members that answered", len(seen), len(w.endpoints))
}

func kvSync(w *world) error {
	if err := w.client.Sync(w.ctx); err != nil {
		return err
	}
	if len(w.client.Endpoints()) != 3 {
		return fmt.Errorf("endpoints %v", w.client.Endpoints())
	}
	for _, endpoint := range w.client.Endpoints() {
		if _, err := w.client.Status(w.ctx, endpoint); err != nil {
			return fmt.Errorf("%s: %w", endpoint, err)
		}
	}
	return nil
}
