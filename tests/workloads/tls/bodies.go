// SPDX-License-Identifier: Apache-2.0

// "bodies FOLDER 1.1|2 MIB": large bodies through net/http, both ends, one each way; in the middle of each there is a mark, as in bodies.py.
package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const lead, piece = 1 << 20, 16384

var (
	folder, version = os.Args[1], os.Args[2]
	size            int64
	goOn            = make(chan bool)
)

func send(w io.Writer, n int64) {
	for b := make([]byte, piece); n > 0; n -= piece {
		if _, err := w.Write(b); err != nil {
			log.Fatal(err)
		}
	}
}

func answer(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	if r.URL.Path != "/large/get" {
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	send(w, lead)
	w.(http.Flusher).Flush()
	<-goOn
	send(w, size-lead)
}

func serve() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(answer)}
	if version == "1.1" {
		s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	}
	go s.ServeTLS(listener, folder+"/c.pem", folder+"/k.pem")
	return "https://" + listener.Addr().String()
}

func client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: version == "2"}}
}

func ask(c *http.Client, method, url string, body io.Reader, n int64) *http.Response {
	r, _ := http.NewRequest(method, url, body)
	r.ContentLength = n
	a, err := c.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	return a
}

func done(a *http.Response) {
	io.Copy(io.Discard, a.Body)
	a.Body.Close()
}

// Until the record of such a call is there, of both ends.
func mark(c *http.Client, url, name string) {
	done(ask(c, "GET", url+"/mark/"+name, nil, 0))
	for {
		text, _ := os.ReadFile(folder + "/trail")
		if strings.Count(string(text), "/mark/"+name+"\"") >= 2 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func main() {
	mib, _ := strconv.Atoi(os.Args[3])
	size = int64(mib) << 20
	url, one, other := serve(), client(), client()
	done(ask(one, "GET", url+"/before", nil, 0))
	r, w := io.Pipe()
	go func() {
		send(w, lead)
		mark(other, url, "put")
		send(w, size-lead)
		w.Close()
	}()
	done(ask(one, "PUT", url+"/large/put", r, size))
	a := ask(one, "GET", url+"/large/get", nil, 0)
	io.CopyN(io.Discard, a.Body, lead)
	mark(other, url, "get")
	close(goOn)
	done(a)
	done(ask(one, "GET", url+"/after", nil, 0))
	one.CloseIdleConnections()
}
