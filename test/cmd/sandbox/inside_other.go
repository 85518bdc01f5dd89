//go:build !linux

package main

// runInside runs one of the sandbox's own processes, of which there are none but on Linux.
func runInside([]string) (code int, ok bool) { return 0, false }
