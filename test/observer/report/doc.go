// Package report is what an observer writes down about a cluster: one JSON document.
package report
