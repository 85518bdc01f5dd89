package podrunner

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// file is one file of a volume.
type file struct {
	data string
	mode fs.FileMode
}

// files are a volume's contents by relative path. A nil map is a volume without contents of its own, as emptyDir.
type files map[string]file

// defaultMode of volume files, as of the API.
const defaultMode = 0o644

// tokenSource returns a ServiceAccount token for a pod, fresh enough to be used for a while.
type tokenSource interface {
	token(ctx context.Context, pod *corev1.Pod, p *corev1.ServiceAccountTokenProjection) (string, error)
}

// volumeReader produces the contents of volumes.
type volumeReader struct {
	objects objects
	tokens  tokenSource
}

// read returns the contents of a volume. An error for what does not exist yet is one to try again.
func (r volumeReader) read(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (files, error) {
	switch {
	case v.EmptyDir != nil:
		return nil, nil
	case v.ConfigMap != nil:
		return r.configMap(ctx, pod.Namespace, v.ConfigMap.Name, v.ConfigMap.Items, modeOf(v.ConfigMap.DefaultMode), v.ConfigMap.Optional)
	case v.Secret != nil:
		return r.secret(ctx, pod.Namespace, v.Secret.SecretName, v.Secret.Items, modeOf(v.Secret.DefaultMode), v.Secret.Optional)
	case v.DownwardAPI != nil:
		return downwardAPI(pod, v.DownwardAPI.Items, modeOf(v.DownwardAPI.DefaultMode))
	case v.Projected != nil:
		return r.projected(ctx, pod, v.Projected)
	}
	return nil, fmt.Errorf("volume %s is of a kind that the sandbox does not have: use emptyDir, configMap, secret, downwardAPI or projected", v.Name)
}

func (r volumeReader) projected(ctx context.Context, pod *corev1.Pod, v *corev1.ProjectedVolumeSource) (files, error) {
	all := files{}
	mode := modeOf(v.DefaultMode)
	for i := range v.Sources {
		s := &v.Sources[i]
		var some files
		var err error
		switch {
		case s.ConfigMap != nil:
			some, err = r.configMap(ctx, pod.Namespace, s.ConfigMap.Name, s.ConfigMap.Items, mode, s.ConfigMap.Optional)
		case s.Secret != nil:
			some, err = r.secret(ctx, pod.Namespace, s.Secret.Name, s.Secret.Items, mode, s.Secret.Optional)
		case s.DownwardAPI != nil:
			some, err = downwardAPI(pod, s.DownwardAPI.Items, mode)
		case s.ServiceAccountToken != nil:
			var token string
			token, err = r.tokens.token(ctx, pod, s.ServiceAccountToken)
			some = files{s.ServiceAccountToken.Path: {data: token, mode: mode}}
		default:
			err = fmt.Errorf("the projected volume has a source of a kind that the sandbox does not have")
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, some)
	}
	return all, nil
}

func (r volumeReader) configMap(ctx context.Context, namespace, name string, items []corev1.KeyToPath, mode fs.FileMode, optional *bool) (files, error) {
	cm, err := r.objects.configMap(ctx, namespace, name)
	if err != nil {
		return absent(err, optional)
	}
	data := maps.Clone(cm.Data)
	if data == nil {
		data = map[string]string{}
	}
	for k, v := range cm.BinaryData {
		data[k] = string(v)
	}
	return pick(data, items, mode, "ConfigMap "+name, optional)
}

func (r volumeReader) secret(ctx context.Context, namespace, name string, items []corev1.KeyToPath, mode fs.FileMode, optional *bool) (files, error) {
	s, err := r.objects.secret(ctx, namespace, name)
	if err != nil {
		return absent(err, optional)
	}
	data := map[string]string{}
	for k, v := range s.Data {
		data[k] = string(v)
	}
	return pick(data, items, mode, "Secret "+name, optional)
}

// absent turns the error for an optional object that does not exist into an empty volume.
func absent(err error, optional *bool) (files, error) {
	if apierrors.IsNotFound(err) && isTrue(optional) {
		return files{}, nil
	}
	return nil, err
}

// pick chooses keys and their paths; without items every key is a file.
func pick(data map[string]string, items []corev1.KeyToPath, mode fs.FileMode, what string, optional *bool) (files, error) {
	out := files{}
	if len(items) == 0 {
		for k, v := range data {
			out[k] = file{data: v, mode: mode}
		}
		return out, nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			if isTrue(optional) {
				continue
			}
			return nil, fmt.Errorf("%s has no key %s", what, item.Key)
		}
		f := file{data: value, mode: mode}
		if item.Mode != nil {
			f.mode = fs.FileMode(*item.Mode)
		}
		out[path.Clean(item.Path)] = f
	}
	return out, nil
}

func downwardAPI(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, mode fs.FileMode) (files, error) {
	out := files{}
	for _, item := range items {
		var value string
		var err error
		switch {
		case item.FieldRef != nil:
			value, err = podField(pod, item.FieldRef.FieldPath)
		case item.ResourceFieldRef != nil:
			value, err = containerResource(pod, &corev1.Container{}, item.ResourceFieldRef)
		}
		if err != nil {
			return nil, fmt.Errorf("downward API file %s: %w", item.Path, err)
		}
		f := file{data: value, mode: mode}
		if item.Mode != nil {
			f.mode = fs.FileMode(*item.Mode)
		}
		out[path.Clean(item.Path)] = f
	}
	return out, nil
}

func modeOf(mode *int32) fs.FileMode {
	if mode == nil {
		return defaultMode
	}
	return fs.FileMode(*mode)
}

// validPath refuses paths that leave the volume.
func validPath(p string) bool {
	return p != "" && !path.IsAbs(p) && p != ".." && !strings.HasPrefix(p, "../") && !strings.HasPrefix(p, "..data")
}
