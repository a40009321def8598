package main

import (
	"crypto/sha256"
	"fmt"
	"io"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

var maintenanceChecks = []check{
	{"maintenance: a snapshot with its hash behind it", snapshot},
	{"maintenance: status, hashes, alarms, defragmentation of each member", perMember},
	{"maintenance: the leader moves", moveLeader},
	{"maintenance: downgrade is validated", downgrade},
	{"cluster: a learner is added, listed, updated and removed", members},
}

func snapshot(w *world) error {
	resp, err := w.client.SnapshotWithVersion(w.ctx)
	if err != nil {
		return err
	}
	defer resp.Snapshot.Close()
	data, err := io.ReadAll(resp.Snapshot)
	if err != nil {
		return err
	}
	if len(data)%512 != sha256.Size {
		return fmt.Errorf("%d bytes", len(data))
	}
	split := len(data) - sha256.Size
	return all(
		expect("the hash", sha256.Sum256(data[:split]), [sha256.Size]byte(data[split:])),
		expect("the version", resp.Version, "3.7.0"),
	)
}

func perMember(w *world) error {
	hashes := map[uint32]bool{}
	got, err := w.client.Get(w.ctx, "a")
	if err != nil {
		return err
	}
	for _, endpoint := range w.endpoints {
		status, err := w.client.Status(w.ctx, endpoint)
		if err != nil {
			return err
		}
		if status.Version != "3.7.1" || status.Leader == 0 || status.RaftTerm == 0 || status.DbSize == 0 {
			return fmt.Errorf("status %v", status)
		}
		hash, err := w.client.HashKV(w.ctx, endpoint, got.Header.Revision)
		if err != nil {
			return err
		}
		hashes[hash.Hash] = true
		if _, err = w.client.Defragment(w.ctx, endpoint); err != nil {
			return err
		}
	}
	alarms, err := w.client.AlarmList(w.ctx)
	if err != nil {
		return err
	}
	return all(expect("different hashes", len(hashes), 1), expect("alarms", len(alarms.Alarms), 0))
}

func moveLeader(w *world) error {
	var leader string
	var other uint64
	for _, endpoint := range w.endpoints {
		status, err := w.client.Status(w.ctx, endpoint)
		if err != nil {
			return err
		}
		if status.Leader == status.Header.MemberId {
			leader = endpoint
		} else {
			other = status.Header.MemberId
		}
	}
	to, err := w.connect(clientv3.Config{Endpoints: []string{leader}})
	if err != nil {
		return err
	}
	defer to.Close()
	if _, err = to.MoveLeader(w.ctx, other); err != nil {
		return err
	}
	if _, err = w.client.Put(w.ctx, "moved", "x"); err != nil {
		return err
	}
	status, err := w.client.Status(w.ctx, leader)
	if err != nil {
		return err
	}
	_, again := to.MoveLeader(w.ctx, other)
	return all(expect("the leader", status.Leader, other), expect("asked of a follower", again, rpctypes.ErrNotLeader))
}

func downgrade(w *world) error {
	valid, err := w.client.Downgrade(w.ctx, clientv3.DowngradeValidate, "3.6.0")
	if err != nil {
		return err
	}
	_, invalid := w.client.Downgrade(w.ctx, clientv3.DowngradeValidate, "3.1.0")
	return all(expect("the version", valid.Version, "3.7"), expect("the other", invalid, rpctypes.ErrInvalidDowngradeTargetVersion))
}

func members(w *world) error {
	added, err := w.client.MemberAddAsLearner(w.ctx, []string{"http://127.0.0.1:1"})
	if err != nil {
		return err
	}
	_, twice := w.client.MemberAdd(w.ctx, []string{"http://127.0.0.1:1"})
	if _, err = w.client.MemberUpdate(w.ctx, added.Member.ID, []string{"http://127.0.0.1:2"}); err != nil {
		return err
	}
	list, err := w.client.MemberList(w.ctx, clientv3.WithSerializable())
	if err != nil {
		return err
	}
	if _, err = w.client.MemberRemove(w.ctx, added.Member.ID); err != nil {
		return err
	}
	_, gone := w.client.MemberRemove(w.ctx, added.Member.ID)
	if twice == nil {
		return fmt.Errorf("a URL was added twice")
	}
	return all(expect("members", len(list.Members), 4), expect("removed twice", gone, rpctypes.ErrMemberNotFound))
}
