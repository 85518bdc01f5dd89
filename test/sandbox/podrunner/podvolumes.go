package podrunner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
)

// mountVolumes makes the pod's volumes and fills them.
func (w *podWorker) mountVolumes(ctx context.Context) error {
	pod := w.snapshot()
	errs := make([]error, 0, len(pod.Spec.Volumes))
	for i := range pod.Spec.Volumes {
		errs = append(errs, w.mountVolume(ctx, pod, &pod.Spec.Volumes[i]))
	}
	return errors.Join(errs...)
}

func (w *podWorker) mountVolume(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) error {
	contents, err := w.deps.volumes.read(ctx, pod, v)
	if err != nil {
		return fmt.Errorf("volume %s: %w", v.Name, err)
	}
	w.mu.Lock()
	dir := w.volumes[v.Name]
	w.mu.Unlock()
	if dir == nil {
		if dir, err = newVolumeDir(filepath.Join(w.dir(), "volumes", v.Name), w.fsGroup(pod), contents == nil); err != nil {
			return err
		}
		w.mu.Lock()
		w.volumes[v.Name] = dir
		w.mu.Unlock()
	}
	if contents == nil {
		return nil
	}
	return dir.update(contents)
}

// fsGroup is the group that owns the pod's volumes; -1 where users cannot be changed, or none is asked for.
func (w *podWorker) fsGroup(pod *corev1.Pod) int {
	if s := pod.Spec.SecurityContext; w.deps.Remap && s != nil && s.FSGroup != nil {
		return int(*s.FSGroup)
	}
	return -1
}

// refreshVolumes keeps the volumes as their sources are, and tokens fresh.
func (w *podWorker) refreshVolumes(ctx context.Context) {
	for sleep(ctx, w.deps.Clock, volumeRefresh) {
		if err := w.mountVolumes(ctx); err != nil && ctx.Err() == nil {
			w.eventf(corev1.EventTypeWarning, "FailedMount", "Refreshing the volumes: %v", err)
		}
	}
}

// volumePaths are the directories of the volumes by name.
func (w *podWorker) volumePaths() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	paths := map[string]string{}
	for name, dir := range w.volumes {
		paths[name] = dir.path
	}
	return paths
}
