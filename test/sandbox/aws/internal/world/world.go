package world

import (
	"log/slog"
	"maps"
	"sync"

	"k8s.io/utils/clock"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

// Config is what a World is made of.
type Config struct {
	Seed     *Seed
	Settings control.Settings
	// Clock and Log are required, Booter is not.
	Clock  clock.Clock
	Log    *slog.Logger
	Booter Booter
}

// World is the emulated account.
type World struct {
	clk    clock.Clock
	log    *slog.Logger
	booter Booter

	// seed, types, images and parameters never change.
	seed       *Seed
	types      map[string]InstanceType
	images     map[string]Image
	parameters []map[string]string

	// born wakes Run when newborn has instances whose life has not begun.
	born chan struct{}

	mu        sync.Mutex
	settings  control.Settings
	ice       rules[control.ICE]
	newborn   []*instance
	resources map[string]*resource
	subnets   map[string]*subnet
	instances map[string]*instance
	templates map[string]*LaunchTemplate
	profiles  map[string]*Profile
	queues    map[string]*queue
	sessions  map[string]Session
	tokens    *tokenCache
}

// New makes a world of a seed.
func New(cfg Config) (*World, error) {
	if err := cfg.Seed.Validate(); err != nil {
		return nil, err
	}
	types, err := loadCatalog(cfg.Seed.InstanceTypes)
	if err != nil {
		return nil, err
	}
	w := &World{
		clk: cfg.Clock, log: cfg.Log, booter: cfg.Booter, seed: cfg.Seed, types: types, settings: cfg.Settings,
		born: make(chan struct{}, 1), resources: map[string]*resource{}, subnets: map[string]*subnet{},
		instances: map[string]*instance{}, templates: map[string]*LaunchTemplate{}, profiles: map[string]*Profile{},
		queues: map[string]*queue{}, sessions: map[string]Session{}, tokens: newTokenCache(),
	}
	if w.booter == nil {
		w.booter = noBooter{}
	}
	w.images, w.parameters = publishImages(cfg.Seed)
	if _, err := w.checkedGeneration(cfg.Settings.AMIGeneration); err != nil {
		return nil, err
	}
	w.populate()
	return w, nil
}

// populate puts the seed's resources in place.
func (w *World) populate() {
	s := w.seed
	w.register(s.VPC.ID, "vpc", s.VPC.Tags)
	for _, sn := range s.Subnets {
		w.subnets[sn.ID] = newSubnet(sn)
		w.register(sn.ID, "subnet", sn.Tags)
	}
	for _, g := range s.SecurityGroups {
		w.register(g.ID, "security-group", g.Tags)
	}
	for id, img := range w.images {
		w.register(id, "image", img.Tags)
	}
	for _, p := range s.InstanceProfiles {
		w.profiles[p.Name] = &Profile{
			Name: p.Name, Path: orSlash(p.Path), ID: newID("AIPA", 17), Role: p.Role, Created: w.clk.Now(),
			Tags: maps.Clone(p.Tags),
		}
	}
	for _, q := range s.Queues {
		w.queues[q.Name] = newQueue(q.Name)
	}
}

// Seed returns the seed, which must not be changed.
func (w *World) Seed() *Seed { return w.seed }
