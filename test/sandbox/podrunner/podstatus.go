package podrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
)

// Times of writing to the API server.
const (
	callTimeout = 10 * time.Second
	statusRetry = time.Second
)

// errGone says that the pod's object is another one now, or none.
var errGone = errors.New("the pod is gone")

// writeStatuses writes the pod's status whenever it changed, until ctx ends; then once more, for the end of the pod
// is news too.
func (w *podWorker) writeStatuses(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			// The parent's values without its end: the last word must get through.
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
			defer cancel()
			_ = w.writeStatus(last) // the object is about to be deleted; it may be gone already
			return
		case <-w.changed:
		}
		for err := w.writeStatus(ctx); err != nil && ctx.Err() == nil; err = w.writeStatus(ctx) {
			if errors.Is(err, errGone) {
				break
			}
			klog.ErrorS(err, "writing a pod's status", "pod", w.describe())
			sleep(ctx, w.deps.Clock, statusRetry)
		}
	}
}

// writeStatus writes the status once, on the version of the object that was seen last and else on the present one.
func (w *podWorker) writeStatus(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	w.mu.Lock()
	base, removed := w.pod, w.removed
	w.mu.Unlock()
	if removed {
		return errGone
	}
	err := w.writeOn(ctx, base)
	if !apierrors.IsConflict(err) {
		return w.orGone(err)
	}
	pods := w.deps.Client.CoreV1().Pods(base.Namespace)
	current, err := pods.Get(ctx, base.Name, metav1.GetOptions{})
	if err != nil {
		return w.orGone(err)
	}
	if current.UID != w.uid {
		return errGone
	}
	return w.orGone(w.writeOn(ctx, current))
}

func (w *podWorker) orGone(err error) error {
	if apierrors.IsNotFound(err) {
		return errGone
	}
	return err
}

func (w *podWorker) writeOn(ctx context.Context, base *corev1.Pod) error {
	status := computeStatus(base, w.state(), w.deps.Clock.Now())
	if equality.Semantic.DeepEqual(base.Status, status) {
		return nil
	}
	next := base.DeepCopy()
	next.Status = status
	updated, err := w.deps.Client.CoreV1().Pods(base.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pod.ResourceVersion == base.ResourceVersion {
		w.pod = updated // so that the next write need not wait for the watch
	}
	return nil
}

// state is what the status is made of.
func (w *podWorker) state() podState {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := podState{hostIP: w.hostIP.String(), startTime: w.started, stopping: w.stopped}
	if w.network.IP.IsValid() {
		s.podIP = w.network.IP.String()
	}
	for _, c := range w.init {
		s.init = append(s.init, c.state)
	}
	for _, c := range w.main {
		s.main = append(s.main, c.state)
	}
	return s
}

// finish gives back what the pod had and deletes its object for good, as a kubelet does when all has ended.
func (w *podWorker) finish(ctx context.Context) {
	w.mu.Lock()
	network, pod, removed := w.network, w.pod, w.removed
	w.mu.Unlock()
	w.deps.tokens.forget(w.uid)
	var errs []error
	if network.Close != nil {
		errs = append(errs, network.Close())
	}
	errs = append(errs, os.RemoveAll(w.dir()))
	if err := errors.Join(errs...); err != nil {
		klog.ErrorS(err, "cleaning up after a pod", "pod", w.describe())
	}
	if removed {
		return
	}
	for ctx.Err() == nil {
		if err := w.deleteObject(ctx, pod); err == nil {
			return
		}
		sleep(ctx, w.deps.Clock, statusRetry)
	}
}

func (w *podWorker) deleteObject(ctx context.Context, pod *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err := w.deps.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: ptr.To[int64](0),
		Preconditions:      &metav1.Preconditions{UID: ptr.To(w.uid)},
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another pod of the same name
	}
	if err != nil {
		err = fmt.Errorf("deleting pod %s: %w", w.describe(), err)
		klog.ErrorS(err, "trying again")
	}
	return err
}
