package podrunner

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Image is what stands for a container image: a program, and how a container of the image starts it.
type Image struct {
	// Repository is compared with the end of a reference's repository, by whole path elements: "karpenter/controller"
	// matches public.ecr.aws/karpenter/controller.
	Repository string `json:"repository"`
	// Tag is the tag, or a pattern of path.Match as "*".
	Tag string `json:"tag"`
	// Program is the host's path of the program.
	Program string `json:"program"`
	// Path is where the program is inside a container.
	Path string `json:"path"`
	// Args are the image's default arguments.
	Args []string `json:"args,omitempty"`
	// User is the user id that the image runs as.
	User int64 `json:"user"`
}

// Ref is an image reference taken apart. A digest is not looked at: which program a tag stands for is ours to say.
type Ref struct {
	Repository, Tag string
}

// ParseRef takes an image reference apart; without tag and digest the tag is "latest".
func ParseRef(image string) (Ref, error) {
	name, digest, digested := strings.Cut(image, "@")
	repository, tag := name, ""
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		repository, tag = name[:i], name[i+1:]
	}
	if repository == "" || digested && !strings.Contains(digest, ":") || strings.ContainsAny(image, " \t") {
		return Ref{}, fmt.Errorf("couldn't parse image name %q: invalid reference format", image)
	}
	if tag == "" && !digested {
		tag = "latest"
	}
	return Ref{Repository: repository, Tag: tag}, nil
}

// Images are the images that the sandbox has; the first that matches counts.
type Images []Image

// Find returns the image for a reference. The errors are as of a registry that does not have it.
func (list Images) Find(image string) (Image, error) {
	ref, err := ParseRef(image)
	if err != nil {
		return Image{}, err
	}
	i := slices.IndexFunc(list, func(img Image) bool { return img.matches(ref) })
	if i < 0 {
		return Image{}, fmt.Errorf("failed to pull image %q: not found; the sandbox has %s", image, list)
	}
	return list[i], nil
}

func (img Image) matches(r Ref) bool {
	if r.Repository != img.Repository && !strings.HasSuffix(r.Repository, "/"+img.Repository) {
		return false
	}
	ok, err := path.Match(img.Tag, r.Tag)
	return ok && err == nil
}

// String lists the images.
func (list Images) String() string {
	names := make([]string, 0, len(list))
	for _, img := range list {
		names = append(names, img.Repository+":"+img.Tag)
	}
	return strings.Join(names, ", ")
}
