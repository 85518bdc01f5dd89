package snapshot

// Volume is a PersistentVolume that a pod mounts and that not every node can reach.
type Volume struct {
	// Namespace and Claim that it is bound to.
	Namespace, Claim string
	Name             string
	// Zones that can reach it, sorted; none when all can.
	Zones []string
	// Hosts that can reach it, by kubernetes.io/hostname, sorted; none when all can. Only nodes' own disks have some.
	Hosts []string
}
