// Package requests counts the requests that clients send to the API server.
//
// The API server counts requests by the FlowSchema that they fall under (apiserver_flowcontrol_dispatched_requests_total of
// API Priority and Fairness). So every client gets a FlowSchema of its own, that matches just before the one under which its
// requests would fall anyway and leads to the same priority level: nobody is served sooner or later for being counted.
//
// Requests of the group system:masters fall under the FlowSchema exempt, before which none can be put. In a sandbox these
// are those of KWOK, of the host nodes' kubelets, of whoever uses the administrator's kubeconfig, and of the observer.
package requests
