// SPDX-License-Identifier: Apache-2.0

// "late N PARALLEL URL": N requests of PARALLEL goroutines over one HTTP/2 connection, each for another path, and for hosts that come again.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	parallel, _ := strconv.Atoi(os.Args[2])
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	var all sync.WaitGroup
	var made int32
	one := func() bool {
		i := int(atomic.AddInt32(&made, 1)) - 1
		if i >= n {
			return false
		}
		r, _ := http.NewRequest("GET", fmt.Sprintf("%s/%d", os.Args[3], i), nil)
		r.Host = "abcd"[i%4:i%4+1] + ".late.test"
		r.Header.Set("User-Agent", fmt.Sprintf("late/%d", i%3))
		r.Header.Set("X-More", strconv.Itoa(i%5))
		a, err := client.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		io.Copy(io.Discard, a.Body)
		a.Body.Close()
		return true
	}
	one() // the others come when there is a connection
	for p := 0; p < parallel; p++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for one() {
			}
		}()
	}
	all.Wait()
}
