package world

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// profileName is what IAM takes as the name of an instance profile.
var profileName = regexp.MustCompile(`^[\w+=,.@-]{1,128}$`)

// Profile is an IAM instance profile.
type Profile struct {
	Name, Path, ID string
	// Role is the name of its role, empty without one.
	Role    string
	Created time.Time
	Tags    map[string]string
}

// RoleView is a role with what IAM makes up of it.
type RoleView struct {
	Role
	ARN, ID string
	Created time.Time
}

// ProfileARN is the ARN of an instance profile.
func (w *World) ProfileARN(p Profile) string {
	return w.seed.ARN("iam", "", "instance-profile"+p.Path+p.Name)
}

// roleCreated is when all seeded roles were made.
var roleCreated = time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC)

// Role finds a role by name.
func (w *World) Role(name string) (RoleView, error) {
	r, ok := lo.Find(w.seed.Roles, func(r Role) bool { return r.Name == name })
	if !ok {
		return RoleView{}, awserr.New("NoSuchEntity", "The role with name %s cannot be found.", name)
	}
	r.Path = orSlash(r.Path)
	// The ID follows from the name, so that it does not change between two looks.
	return RoleView{
		Role: r, ARN: w.seed.RoleARN(r), ID: "AROA" + strings.ToUpper(imageID("role/" + name)[4:]), Created: roleCreated,
	}, nil
}

// CreateProfile makes an instance profile.
func (w *World) CreateProfile(name, path string, tags map[string]string) (Profile, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !profileName.MatchString(name) {
		return Profile{}, awserr.New("ValidationError", "The instance profile name '%s' is not valid", name)
	}
	if p := orSlash(path); !strings.HasPrefix(p, "/") || !strings.HasSuffix(p, "/") {
		return Profile{}, awserr.New("ValidationError", "The path '%s' must begin and end with a slash", path)
	}
	if _, exists := w.profiles[name]; exists {
		return Profile{}, awserr.New("EntityAlreadyExists", "Instance Profile %s already exists.", name)
	}
	p := &Profile{Name: name, Path: orSlash(path), ID: newID("AIPA", 17), Created: w.clk.Now(), Tags: maps.Clone(tags)}
	w.profiles[name] = p
	return p.clone(), nil
}

// Profile finds an instance profile by name.
func (w *World) Profile(name string) (Profile, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.profile(name)
	if err != nil {
		return Profile{}, err
	}
	return p.clone(), nil
}

// Profiles returns the instance profiles whose path begins with the prefix.
func (w *World) Profiles(pathPrefix string) []Profile {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Profile
	for _, p := range w.profiles {
		if strings.HasPrefix(p.Path, pathPrefix) {
			out = append(out, p.clone())
		}
	}
	return out
}

// AddRole attaches a role to an instance profile, which can have one.
func (w *World) AddRole(profile, role string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.profile(profile)
	if err != nil {
		return err
	}
	if _, err := w.Role(role); err != nil {
		return err
	}
	if p.Role != "" {
		return awserr.New("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	}
	p.Role = role
	return nil
}

// RemoveRole detaches a role from an instance profile.
func (w *World) RemoveRole(profile, role string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.profile(profile)
	if err != nil {
		return err
	}
	if p.Role != role {
		return awserr.New("NoSuchEntity", "The role with name %s cannot be found in instance profile %s.", role, profile)
	}
	p.Role = ""
	return nil
}

// DeleteProfile removes an instance profile that has no role any more.
func (w *World) DeleteProfile(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.profile(name)
	if err != nil {
		return err
	}
	if p.Role != "" {
		return awserr.New("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	}
	delete(w.profiles, name)
	return nil
}

// TagProfile adds tags to an instance profile.
func (w *World) TagProfile(name string, tags map[string]string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, err := w.profile(name)
	if err != nil {
		return err
	}
	p.Tags = lo.Assign(p.Tags, tags)
	return nil
}

func (w *World) profile(name string) (*Profile, error) {
	if p, ok := w.profiles[name]; ok {
		return p, nil
	}
	return nil, awserr.New("NoSuchEntity", "Instance Profile %s cannot be found.", name)
}

// resolveProfile finds the instance profile that a launch names, nil if it names none. The text of the refusals is
// what callers look for.
func (w *World) resolveProfile(name, arn string) (*ProfileRef, error) {
	if name == "" && arn == "" {
		return nil, nil
	}
	for _, p := range w.profiles {
		if (name == "" || p.Name == name) && (arn == "" || w.ProfileARN(*p) == arn) {
			return &ProfileRef{ARN: w.ProfileARN(*p), ID: p.ID, Name: p.Name, Role: p.Role}, nil
		}
	}
	if name != "" {
		return nil, awserr.InvalidValue("iamInstanceProfile.name", name, "Invalid IAM Instance Profile name")
	}
	return nil, awserr.InvalidValue("iamInstanceProfile.arn", arn, "Invalid IAM Instance Profile ARN")
}

func (p *Profile) clone() Profile {
	out := *p
	out.Tags = maps.Clone(p.Tags)
	return out
}

// Decision is what a policy simulation decides.
type Decision string

// The decisions, as IAM spells them.
const (
	Allowed      Decision = "allowed"
	ImplicitDeny Decision = "implicitDeny"
	ExplicitDeny Decision = "explicitDeny"
)

// Simulate weighs a role's statements for an action on a resource.
func Simulate(role Role, action, resource string) Decision {
	decision := ImplicitDeny
	for _, s := range role.Statements {
		if !s.covers(action, resource) {
			continue
		}
		if s.Effect == "Deny" {
			return ExplicitDeny
		}
		decision = Allowed
	}
	return decision
}

// covers tells whether a statement is about an action on a resource. Actions are compared without regard to case.
func (s Statement) covers(action, resource string) bool {
	resources := s.Resources
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	return slices.ContainsFunc(s.Actions, func(p string) bool {
		return match(strings.ToLower(p), strings.ToLower(action))
	}) && slices.ContainsFunc(resources, func(p string) bool { return match(p, resource) })
}
