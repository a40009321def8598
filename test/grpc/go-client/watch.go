package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var watchChecks = []check{
	{"watch: the past, then what comes, with previous values", watchPast},
	{"watch: filters, fragments, created, progress by request", watchOptions},
	{"watch: a compacted start says where history begins", watchCompacted},
	{"watch: many share a stream, and end one by one", watchMany},
	{"watch: WithRequireLeader", watchLeader},
}

// Takes events until there are so many, as TYPE key=value.
func take(ch clientv3.WatchChan, count int) ([]string, error) {
	var got []string
	for len(got) < count {
		resp, ok := <-ch
		if !ok {
			return got, errors.New("the watch is over after " + strings.Join(got, ", "))
		}
		if err := resp.Err(); err != nil {
			return got, err
		}
		for _, ev := range resp.Events {
			text := fmt.Sprintf("%s %s=%s", ev.Type, ev.Kv.Key, ev.Kv.Value)
			if ev.PrevKv != nil {
				text += "<" + string(ev.PrevKv.Value)
			}
			got = append(got, text)
		}
	}
	return got, nil
}

func watchPast(w *world) error {
	c, ctx := w.client, w.ctx
	first, err := c.Put(ctx, "w/1", "a")
	if err != nil {
		return err
	}
	if _, err = c.Put(ctx, "w/1", "b"); err != nil {
		return err
	}
	ch := c.Watch(ctx, "w/", clientv3.WithPrefix(), clientv3.WithRev(first.Header.Revision), clientv3.WithPrevKV())
	past, err := take(ch, 2)
	if err != nil {
		return err
	}
	if _, err = c.Delete(ctx, "w/", clientv3.WithPrefix()); err != nil {
		return err
	}
	now, err := take(ch, 1)
	return all(err, expect("events", strings.Join(append(past, now...), ", "), "PUT w/1=a, PUT w/1=b<a, DELETE w/1=<b"))
}

func watchOptions(w *world) error {
	c, ctx := w.client, w.ctx
	ch := c.Watch(ctx, "o/", clientv3.WithPrefix(), clientv3.WithFilterPut(), clientv3.WithCreatedNotify(), clientv3.WithFragment())
	created := <-ch
	if !created.Created {
		return errors.New("no notice of creation")
	}
	if _, err := c.Put(ctx, "o/1", "x"); err != nil {
		return err
	}
	if _, err := c.Delete(ctx, "o/1"); err != nil {
		return err
	}
	got, err := take(ch, 1)
	if err != nil {
		return err
	}
	// Behind both, so the progress cannot be told before.
	at, err := c.Get(ctx, "o/1")
	if err != nil {
		return err
	}
	if err = c.RequestProgress(ctx); err != nil {
		return err
	}
	progress := <-ch
	for !progress.IsProgressNotify() || progress.Header.Revision < at.Header.Revision {
		if err = c.RequestProgress(ctx); err != nil {
			return err
		}
		progress = <-ch
	}
	return expect("events", strings.Join(got, ", "), "DELETE o/1=")
}

func watchCompacted(w *world) error {
	c, ctx := w.client, w.ctx
	var last *clientv3.PutResponse
	for range 3 {
		var err error
		if last, err = c.Put(ctx, "c/1", "x"); err != nil {
			return err
		}
	}
	if _, err := c.Compact(ctx, last.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return err
	}
	_, again := c.Compact(ctx, last.Header.Revision)
	resp := <-c.Watch(ctx, "c/1", clientv3.WithRev(1))
	return all(
		expect("the error", resp.Err(), rpctypes.ErrCompacted), expect("canceled", resp.Canceled, true),
		expect("the compact revision", resp.CompactRevision, last.Header.Revision), expect("again", again, rpctypes.ErrCompacted),
	)
}

func watchMany(w *world) error {
	var chans []clientv3.WatchChan
	var cancels []context.CancelFunc
	for at := range 200 {
		ctx, cancel := context.WithCancel(w.ctx)
		cancels = append(cancels, cancel)
		ch := w.client.Watch(ctx, fmt.Sprintf("many/%d", at), clientv3.WithCreatedNotify())
		<-ch
		chans = append(chans, ch)
	}
	for at := range chans {
		if _, err := w.client.Put(w.ctx, fmt.Sprintf("many/%d", at), "x"); err != nil {
			return err
		}
	}
	for at, ch := range chans {
		got, err := take(ch, 1)
		if err = all(err, expect("event", strings.Join(got, ""), fmt.Sprintf("PUT many/%d=x", at))); err != nil {
			return err
		}
		cancels[at]()
		if _, open := <-ch; open {
			return errors.New("a cancelled watch goes on")
		}
	}
	return nil
}

func watchLeader(w *world) error {
	ctx := clientv3.WithRequireLeader(w.ctx)
	put, err := w.client.Put(ctx, "leader", "x")
	if err != nil {
		return err
	}
	got, err := take(w.client.Watch(ctx, "leader", clientv3.WithRev(put.Header.Revision)), 1)
	return all(err, expect("events", strings.Join(got, ""), "PUT leader=x"))
}
