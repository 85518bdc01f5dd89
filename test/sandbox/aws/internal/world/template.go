package world

import (
	"cmp"
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
)

// maxUserData is the size of user data, decoded, that EC2 takes.
const maxUserData = 16384

// templateName is what EC2 takes as the name of a launch template.
var templateName = regexp.MustCompile(`^[a-zA-Z0-9().\-/_]{3,128}$`)

// LaunchSpec is what a launch template, a RunInstances call or both together say about a launch. Empty fields say
// nothing.
type LaunchSpec struct {
	ImageID, InstanceType, SubnetID, Zone string
	// Groups are IDs or names of security groups.
	Groups []string
	// ProfileName or ProfileARN name the instance profile.
	ProfileName, ProfileARN string
	// UserData is decoded.
	UserData []byte
	Market   CapacityType
	// BlockDevices are the device names of the disks; without any there is the image's root volume.
	BlockDevices []string
	// Tags are by resource type: instance, volume, network-interface, spot-instances-request.
	Tags map[string]map[string]string
	LaunchOptions
}

// over returns the spec with the gaps filled from a template's.
func (s LaunchSpec) over(t LaunchSpec) LaunchSpec {
	out := t
	out.ImageID = cmp.Or(s.ImageID, t.ImageID)
	out.InstanceType = cmp.Or(s.InstanceType, t.InstanceType)
	out.SubnetID = cmp.Or(s.SubnetID, t.SubnetID)
	out.Zone = cmp.Or(s.Zone, t.Zone)
	out.ProfileName = cmp.Or(s.ProfileName, t.ProfileName)
	out.ProfileARN = cmp.Or(s.ProfileARN, t.ProfileARN)
	out.Market = cmp.Or(s.Market, t.Market)
	out.LaunchOptions = s.LaunchOptions.over(t.LaunchOptions)
	if len(s.Groups) > 0 {
		out.Groups = s.Groups
	}
	if len(s.UserData) > 0 {
		out.UserData = s.UserData
	}
	if len(s.BlockDevices) > 0 {
		out.BlockDevices = s.BlockDevices
	}
	out.Tags = map[string]map[string]string{}
	for _, kind := range lo.Uniq(append(slices.Collect(maps.Keys(t.Tags)), slices.Collect(maps.Keys(s.Tags))...)) {
		out.Tags[kind] = lo.Assign(t.Tags[kind], s.Tags[kind])
	}
	return out
}

// DecodeUserData decodes user data from base64 as EC2 does.
func DecodeUserData(encoded string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, awserr.New("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.")
	}
	if len(raw) > maxUserData {
		return nil, awserr.New("InvalidUserData.Malformed", "User data is limited to %d bytes", maxUserData)
	}
	return raw, nil
}

// LaunchTemplate is an EC2 launch template. It has one version, for no caller makes a second.
type LaunchTemplate struct {
	ID, Name  string
	Created   time.Time
	CreatedBy string
	Spec      LaunchSpec
	// Tags are read when the template is handed out.
	Tags map[string]string
}

// NewTemplate is the input of CreateLaunchTemplate.
type NewTemplate struct {
	Name, Token, Principal string
	// Params is all of the input in a form that can be compared, for the token.
	Params string
	Spec   LaunchSpec
	Tags   map[string]string
	DryRun bool
}

// CreateLaunchTemplate makes a launch template. As in EC2, references in it are not resolved before a launch.
func (w *World) CreateLaunchTemplate(in NewTemplate) (LaunchTemplate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return once(w.tokens, "CreateLaunchTemplate", in.Token, in.Params, func() (LaunchTemplate, error) {
		if !templateName.MatchString(in.Name) {
			return LaunchTemplate{}, awserr.New("InvalidLaunchTemplateName.MalformedException",
				"The launch template name '%s' must have 3 to 128 characters of a-zA-Z0-9().-/_", in.Name)
		}
		if err := cmp.Or(checkTags(in.Tags), checkAllTags(in.Spec.Tags)); err != nil {
			return LaunchTemplate{}, err
		}
		if _, exists := w.templateByName(in.Name); exists {
			return LaunchTemplate{}, awserr.New("InvalidLaunchTemplateName.AlreadyExistsException",
				"Launch template name already in use.")
		}
		if in.DryRun {
			return LaunchTemplate{}, awserr.DryRun()
		}
		t := &LaunchTemplate{ID: newID("lt-", 17), Name: in.Name, Created: w.clk.Now(), CreatedBy: in.Principal, Spec: in.Spec}
		w.templates[t.ID] = t
		w.register(t.ID, "launch-template", in.Tags)
		return w.viewTemplate(t), nil
	})
}

// DeleteLaunchTemplate removes a launch template by ID, or by name when the ID is empty.
func (w *World) DeleteLaunchTemplate(id, name string, dryRun bool) (LaunchTemplate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t, err := w.template(id, name)
	if err != nil {
		return LaunchTemplate{}, err
	}
	if dryRun {
		return LaunchTemplate{}, awserr.DryRun()
	}
	view := w.viewTemplate(t)
	delete(w.templates, t.ID)
	delete(w.resources, t.ID)
	return view, nil
}

// LaunchTemplates returns the templates of the given IDs and names, all when there are none; one that does not exist
// is an error.
func (w *World) LaunchTemplates(ids, names []string) ([]LaunchTemplate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(ids) == 0 && len(names) == 0 {
		return lo.MapToSlice(w.templates, func(_ string, t *LaunchTemplate) LaunchTemplate { return w.viewTemplate(t) }), nil
	}
	var out []LaunchTemplate
	for _, id := range ids {
		t, err := w.template(id, "")
		if err != nil {
			return nil, err
		}
		out = append(out, w.viewTemplate(t))
	}
	for _, name := range names {
		t, err := w.template("", name)
		if err != nil {
			return nil, err
		}
		out = append(out, w.viewTemplate(t))
	}
	return lo.UniqBy(out, func(t LaunchTemplate) string { return t.ID }), nil
}

// template finds a template by ID, or by name when the ID is empty.
func (w *World) template(id, name string) (*LaunchTemplate, error) {
	if id != "" {
		if t, ok := w.templates[id]; ok {
			return t, nil
		}
		return nil, awserr.New("InvalidLaunchTemplateId.NotFound",
			"The specified launch template, with template ID %s, does not exist.", id)
	}
	if t, ok := w.templateByName(name); ok {
		return t, nil
	}
	return nil, awserr.New("InvalidLaunchTemplateName.NotFoundException",
		"At least one of the launch templates specified in the request does not exist.")
}

func (w *World) templateByName(name string) (*LaunchTemplate, bool) {
	return lo.Find(slices.Collect(maps.Values(w.templates)), func(t *LaunchTemplate) bool { return t.Name == name })
}

// version checks a template version: there is only one.
func (t *LaunchTemplate) version(v string) error {
	if slices.Contains([]string{"", "$Latest", "$Default", "1"}, v) {
		return nil
	}
	return awserr.New("InvalidLaunchTemplateId.VersionNotFound",
		"Could not find launch template version %s of template %s.", v, t.ID)
}

// viewTemplate returns a copy with its tags.
func (w *World) viewTemplate(t *LaunchTemplate) LaunchTemplate {
	view := *t
	view.Tags = w.tagsOf(t.ID)
	return view
}
