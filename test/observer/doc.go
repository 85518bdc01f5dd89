// Package observer watches a cluster while Karpenter is upgraded in it, and writes down what happened: in figures, and with a
// name for everything that went wrong. It is meant to run in a process of its own and believes nobody: not the operator,
// whose status it uses for the names and times of phases only, and not what one source alone says about leadership.
//
// Objects come by watches; every event counts from its arrival, by the clock that is given. Package record does the
// arithmetic. Who leads is looked up twice: by the Lease with its holder's pod, and by the metric that each controller
// exposes about itself, which is read through the API server four times a second. Marks are looked for once, at the end.
package observer
