// What etcd's own Go client does with a cluster, as a list of checks: each prints "ok NAME" or "failed NAME: why".
//
// Where a check needs something done to the servers it prints "please WHAT" and reads a line when that is done.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

type world struct {
	endpoints []string
	client    *clientv3.Client
	ctx       context.Context
	said      *bufio.Reader
}

type check struct {
	name string
	run  func(w *world) error
}

func main() {
	endpoints := flag.String("endpoints", "127.0.0.1:2379", "host:port,...")
	only := flag.String("only", "", "the checks whose names begin so")
	flag.Parse()
	w := &world{endpoints: strings.Split(*endpoints, ","), said: bufio.NewReader(os.Stdin)}
	checks := [][]check{kvChecks, watchChecks, leaseChecks, concurrencyChecks, wrapperChecks, maintenanceChecks, restartChecks, authChecks}
	failed := 0
	for _, group := range checks {
		for _, c := range group {
			if !strings.HasPrefix(c.name, *only) {
				continue
			}
			if err := w.runOne(c); err != nil {
				failed++
				fmt.Printf("failed %s: %v\n", c.name, err)
			} else {
				fmt.Printf("ok %s\n", c.name)
			}
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// Each check has a client and a minute of its own.
func (w *world) runOne(c check) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w.ctx = ctx
	w.client, err = w.connect(clientv3.Config{})
	if err != nil {
		return err
	}
	defer w.client.Close()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return c.run(w)
}

func (w *world) connect(config clientv3.Config) (*clientv3.Client, error) {
	if config.Endpoints == nil {
		config.Endpoints = w.endpoints
	}
	config.DialTimeout = 10 * time.Second
	config.Logger = zap.NewNop()
	return clientv3.New(config)
}

func (w *world) please(what string) error {
	fmt.Printf("please %s\n", what)
	_, err := w.said.ReadString('\n')
	return err
}

func expect(what string, is, wanted any) error {
	if fmt.Sprint(is) != fmt.Sprint(wanted) {
		return fmt.Errorf("%s is %v, not %v", what, is, wanted)
	}
	return nil
}

// The first that went wrong.
func all(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func values(resp *clientv3.GetResponse) string {
	var text []string
	for _, kv := range resp.Kvs {
		text = append(text, string(kv.Key)+"="+string(kv.Value))
	}
	return strings.Join(text, " ")
}
