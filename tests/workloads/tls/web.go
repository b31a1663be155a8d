// SPDX-License-Identifier: Apache-2.0

// Serves and asks over crypto/tls. "web serve ADDRESS CERT KEY": HTTP/1 and HTTP/2, one JSON object a request on standard output.
// "web get 1|2 N PARALLEL URL [MS]": N requests of each of PARALLEL goroutines, over one client, MS milliseconds between two.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

func serve(address, cert, key string) {
	var lock sync.Mutex
	answer := func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		status := 200
		if strings.HasSuffix(r.URL.Path, "/missing") {
			status = 404
		}
		lock.Lock()
		fmt.Printf("{\"client\":%q,\"method\":%q,\"path\":%q,\"status\":%d}\n", r.RemoteAddr, r.Method, r.URL.Path, status)
		lock.Unlock()
		w.WriteHeader(status)
		io.WriteString(w, "hello\n")
	}
	log.Fatal(http.ListenAndServeTLS(address, cert, key, http.HandlerFunc(answer)))
}

func get(version string, n, parallel int, url string, pause time.Duration) {
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: version == "2", MaxIdleConnsPerHost: parallel}
	client := &http.Client{Transport: t}
	var all sync.WaitGroup
	for p := 0; p < parallel; p++ {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := 0; i < n; i++ {
				r, err := client.Get(url)
				if err != nil {
					log.Fatal(err)
				}
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
				time.Sleep(pause)
			}
		}()
	}
	all.Wait()
}

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3], os.Args[4])
	}
	n, _ := strconv.Atoi(os.Args[3])
	parallel, _ := strconv.Atoi(os.Args[4])
	pause := 0
	if len(os.Args) > 6 {
		pause, _ = strconv.Atoi(os.Args[6])
	}
	get(os.Args[2], n, parallel, os.Args[5], time.Duration(pause)*time.Millisecond)
}
