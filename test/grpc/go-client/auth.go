package main

import (
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// The last: while it runs, nobody else is let in.
var authChecks = []check{{"auth: users, roles, permissions, and a token that is renewed by itself", auth}}

func auth(w *world) (err error) {
	c, ctx := w.client, w.ctx
	for _, user := range []string{"root", "someone"} {
		if _, err = c.UserAdd(ctx, user, "pw"); err != nil {
			return err
		}
	}
	if _, err = c.RoleAdd(ctx, "part"); err != nil {
		return err
	}
	if _, err = c.RoleGrantPermission(ctx, "part", "part/", clientv3.GetPrefixRangeEnd("part/"), clientv3.PermissionType(clientv3.PermReadWrite)); err != nil {
		return err
	}
	if _, err = c.UserGrantRole(ctx, "root", "root"); err != nil {
		return err
	}
	if _, err = c.UserGrantRole(ctx, "someone", "part"); err != nil {
		return err
	}
	if _, err = c.AuthEnable(ctx); err != nil {
		return err
	}
	root, err := w.connect(clientv3.Config{Username: "root", Password: "pw"})
	if err != nil {
		return err
	}
	defer root.Close()
	defer func() {
		_, disabled := root.AuthDisable(ctx)
		err = errors.Join(err, disabled)
	}()
	someone, err := w.connect(clientv3.Config{Username: "someone", Password: "pw"})
	if err != nil {
		return err
	}
	defer someone.Close()
	_, wrong := w.connect(clientv3.Config{Username: "someone", Password: "no"})
	put, err := someone.Put(ctx, "part/1", "x")
	if err != nil {
		return err
	}
	_, denied := someone.Put(ctx, "whole/1", "x")
	_, nobody := c.Put(ctx, "part/1", "x")
	watched := someone.Watch(ctx, "part/", clientv3.WithPrefix(), clientv3.WithRev(put.Header.Revision))
	if _, err = take(watched, 1); err != nil {
		return err
	}
	refused := <-someone.Watch(ctx, "whole/")
	session, err := concurrency.NewSession(someone, concurrency.WithTTL(5))
	if err != nil {
		return err
	}
	defer session.Close()
	mutex := concurrency.NewMutex(session, "part/lock")
	if err = all(mutex.Lock(ctx), mutex.Unlock(ctx)); err != nil {
		return err
	}
	// The token is of an older auth revision now, and simple tokens are gone with the members that made them.
	if _, err = root.RoleAdd(ctx, "another"); err != nil {
		return err
	}
	for range 6 {
		if _, err = someone.Put(ctx, "part/2", "x"); err != nil {
			return fmt.Errorf("with an old token: %w", err)
		}
	}
	if err = w.please("restart the servers"); err != nil {
		return err
	}
	if err = patiently(w, func() error { _, err := someone.Put(ctx, "part/3", "x"); return err }); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	time.Sleep(100 * time.Millisecond)
	if _, err = root.UserRevokeRole(ctx, "someone", "part"); err != nil {
		return err
	}
	_, revoked := someone.Put(ctx, "part/1", "x")
	return all(
		expect("a wrong password", wrong, rpctypes.ErrAuthFailed), expect("elsewhere", denied, rpctypes.ErrPermissionDenied),
		expect("without a name", nobody, rpctypes.ErrUserEmpty), expect("a watch elsewhere", refused.Err() != nil, true),
		expect("without the role", revoked, rpctypes.ErrPermissionDenied),
	)
}
