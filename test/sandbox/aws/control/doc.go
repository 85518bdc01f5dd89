// Package control is the control API of the AWS emulator: the JSON documents that are exchanged under the path
// prefix /_emulator, and a client for it.
//
// The API lets a test play the parts of AWS that no caller can reach: it makes calls fail (faults), takes capacity
// away (ICE), moves the AMI generation on, reclaims instances, puts events into the interruption queue, and reads
// back what was called and what exists.
//
//	GET    /_emulator/healthz                   200 once the emulator serves
//	GET    /_emulator/faults                    list of Fault
//	POST   /_emulator/faults                    Fault in, Fault with its ID out
//	DELETE /_emulator/faults                    removes all; /faults/{id} removes one
//	GET    /_emulator/ice                       list of ICE
//	POST   /_emulator/ice                       ICE in, ICE with its ID out
//	DELETE /_emulator/ice                       removes all; /ice/{id} removes one
//	GET    /_emulator/settings                  Settings
//	PATCH  /_emulator/settings                  SettingsPatch in, Settings out
//	GET    /_emulator/state                     State
//	GET    /_emulator/requests                  RequestPage; query: since, limit, service, action, principal
//	GET    /_emulator/requests/counts           list of Count
//	DELETE /_emulator/requests                  forgets the log and the counters
//	POST   /_emulator/messages                  Message in, MessageReceipt out
//	POST   /_emulator/instances/{id}/terminate  terminates an instance as AWS itself would
//	POST   /_emulator/instances/{id}/health     Health in; sets what DescribeInstanceStatus reports
//
// An error is answered with a 4xx or 5xx status and an Error document.
package control
