// Command app is a workload for tests: an HTTP server that tells what it sees and does what it is told.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var unhealthy atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if unhealthy.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/sicken", func(http.ResponseWriter, *http.Request) { unhealthy.Store(true) })
	mux.HandleFunc("/env/{name}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.PathValue("name"))) })
	mux.HandleFunc("/file/{path...}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "/"+r.PathValue("path"))
	})
	mux.HandleFunc("/write/{path...}", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile("/"+r.PathValue("path"), []byte("x"), 0o600); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	mux.HandleFunc("/exit/{code}", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		log.Printf("exiting with %d", code)
		os.Exit(code)
	})
	mux.HandleFunc("/identity", func(w http.ResponseWriter, _ *http.Request) {
		host, _ := os.Hostname()
		fmt.Fprintf(w, "%s %d", host, os.Getpid())
	})
	log.Print("starting")
	if len(os.Args) > 1 && os.Args[1] == "crash" {
		log.Fatal("crashing")
	}
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := server.ListenAndServe(); err != nil {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()
	log.Print("terminating")
}
