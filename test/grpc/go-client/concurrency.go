package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"
)

var concurrencyChecks = []check{
	{"concurrency: a mutex keeps ten sessions apart", mutexApart},
	{"concurrency: TryLock, and a session that ends frees its lock", mutexSession},
	{"concurrency: an election, observed through two terms", election},
	{"concurrency: STM moves money in every isolation, none is lost", stm},
	{"recipes: RWMutex lets readers in together and writers alone", rwMutex},
	{"recipes: queue, priority queue, barrier, double barrier", recipes},
}

func mutexApart(w *world) error {
	counter, inside := 0, 0
	var group sync.WaitGroup
	problems := make(chan error, 10)
	for range 10 {
		group.Go(func() {
			session, err := concurrency.NewSession(w.client, concurrency.WithTTL(10))
			if err != nil {
				problems <- err
				return
			}
			defer session.Close()
			mutex := concurrency.NewMutex(session, "mutex/apart")
			for range 3 {
				if err = mutex.Lock(w.ctx); err != nil {
					problems <- err
					return
				}
				inside++
				if inside != 1 {
					problems <- errors.New("two are inside")
				}
				counter++
				owned, err := w.client.Txn(w.ctx).If(mutex.IsOwner()).Then(clientv3.OpPut("mutex/counter", strconv.Itoa(counter))).Commit()
				if err != nil || !owned.Succeeded {
					problems <- fmt.Errorf("not the owner: %v", err)
				}
				inside--
				if err = mutex.Unlock(w.ctx); err != nil {
					problems <- err
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-problems:
		return err
	default:
		return expect("the counter", counter, 30)
	}
}

func mutexSession(w *world) error {
	one, err := concurrency.NewSession(w.client, concurrency.WithTTL(5))
	if err != nil {
		return err
	}
	two, err := concurrency.NewSession(w.client, concurrency.WithTTL(5))
	if err != nil {
		return err
	}
	defer two.Close()
	held, wanted := concurrency.NewMutex(one, "mutex/try"), concurrency.NewMutex(two, "mutex/try")
	if err = held.TryLock(w.ctx); err != nil {
		return err
	}
	if err = wanted.TryLock(w.ctx); !errors.Is(err, concurrency.ErrLocked) {
		return fmt.Errorf("TryLock of a held lock: %v", err)
	}
	// No more beats, nothing revoked: the lease runs out.
	one.Orphan()
	began := time.Now()
	if err = wanted.Lock(w.ctx); err != nil {
		return err
	}
	if time.Since(began) < 2*time.Second {
		return fmt.Errorf("free after %v", time.Since(began))
	}
	return wanted.Unlock(w.ctx)
}

func election(w *world) error {
	one, err := concurrency.NewSession(w.client)
	if err != nil {
		return err
	}
	defer one.Close()
	two, err := concurrency.NewSession(w.client)
	if err != nil {
		return err
	}
	defer two.Close()
	first, second := concurrency.NewElection(one, "chair"), concurrency.NewElection(two, "chair")
	observed := first.Observe(w.ctx)
	if err = first.Campaign(w.ctx, "one"); err != nil {
		return err
	}
	seen := []string{string((<-observed).Kvs[0].Value)}
	won := make(chan error, 1)
	go func() { won <- second.Campaign(w.ctx, "two") }()
	if err = first.Proclaim(w.ctx, "one again"); err != nil {
		return err
	}
	seen = append(seen, string((<-observed).Kvs[0].Value))
	leader, err := second.Leader(w.ctx)
	if err != nil {
		return err
	}
	if err = first.Resign(w.ctx); err != nil {
		return err
	}
	if err = <-won; err != nil {
		return err
	}
	seen = append(seen, string((<-observed).Kvs[0].Value))
	if err = second.Resign(w.ctx); err != nil {
		return err
	}
	_, none := second.Leader(w.ctx)
	return all(
		expect("observed", fmt.Sprint(seen), "[one one again two]"), expect("the leader", string(leader.Kvs[0].Value), "one again"),
		expect("no leader", none, concurrency.ErrElectionNoLeader),
	)
}

func stm(w *world) error {
	const accounts = 5
	for at := range accounts {
		if _, err := w.client.Put(w.ctx, fmt.Sprintf("account/%d", at), "100"); err != nil {
			return err
		}
	}
	var group sync.WaitGroup
	problems := make(chan error, 100)
	for worker := range 6 {
		isolation := []concurrency.Isolation{concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads}[worker%3]
		group.Go(func() {
			for step := range 5 {
				from, to := fmt.Sprintf("account/%d", (worker+step)%accounts), fmt.Sprintf("account/%d", (worker+2*step+1)%accounts)
				if from == to {
					continue
				}
				_, err := concurrency.NewSTM(w.client, func(s concurrency.STM) error {
					a, _ := strconv.Atoi(s.Get(from))
					b, _ := strconv.Atoi(s.Get(to))
					s.Put(from, strconv.Itoa(a-1))
					s.Put(to, strconv.Itoa(b+1))
					return nil
				}, concurrency.WithIsolation(isolation), concurrency.WithAbortContext(w.ctx), concurrency.WithPrefetch(from, to))
				if err != nil {
					problems <- err
				}
			}
		})
	}
	group.Wait()
	got, err := w.client.Get(w.ctx, "account/", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	sum := 0
	for _, kv := range got.Kvs {
		one, _ := strconv.Atoi(string(kv.Value))
		sum += one
	}
	select {
	case err = <-problems:
		return err
	default:
		return expect("the sum", sum, 100*accounts)
	}
}

func rwMutex(w *world) error {
	var sessions []*concurrency.Session
	for range 3 {
		session, err := concurrency.NewSession(w.client)
		if err != nil {
			return err
		}
		defer session.Close()
		sessions = append(sessions, session)
	}
	one, two, writer := recipe.NewRWMutex(sessions[0], "rw"), recipe.NewRWMutex(sessions[1], "rw"), recipe.NewRWMutex(sessions[2], "rw")
	if err := all(one.RLock(), two.RLock()); err != nil {
		return err
	}
	wrote := make(chan error, 1)
	go func() { wrote <- writer.Lock() }()
	if err := one.RUnlock(); err != nil {
		return err
	}
	select {
	case <-wrote:
		return errors.New("the writer is in beside a reader")
	case <-time.After(500 * time.Millisecond):
	}
	if err := two.RUnlock(); err != nil {
		return err
	}
	if err := <-wrote; err != nil {
		return err
	}
	return writer.Unlock()
}

func recipes(w *world) error {
	queue, ranked := recipe.NewQueue(w.client, "queue"), recipe.NewPriorityQueue(w.client, "ranked")
	if err := all(queue.Enqueue("a"), queue.Enqueue("b"), ranked.Enqueue("late", 9), ranked.Enqueue("soon", 1)); err != nil {
		return err
	}
	a, errA := queue.Dequeue()
	b, errB := queue.Dequeue()
	soon, errSoon := ranked.Dequeue()
	late, errLate := ranked.Dequeue()
	if err := all(errA, errB, errSoon, errLate, expect("the queue", a+b, "ab"), expect("the ranked", soon+" "+late, "soon late")); err != nil {
		return err
	}
	barrier := recipe.NewBarrier(w.client, "barrier")
	if err := barrier.Hold(); err != nil {
		return err
	}
	passed := make(chan error, 1)
	go func() { passed <- recipe.NewBarrier(w.client, "barrier").Wait() }()
	if err := barrier.Release(); err != nil {
		return err
	}
	if err := <-passed; err != nil {
		return err
	}
	entered := make(chan error, 2)
	for range 2 {
		session, err := concurrency.NewSession(w.client, concurrency.WithContext(context.Background()))
		if err != nil {
			return err
		}
		defer session.Close()
		go func() {
			double := recipe.NewDoubleBarrier(session, "double", 2)
			entered <- all(double.Enter(), double.Leave())
		}()
	}
	return all(<-entered, <-entered)
}
