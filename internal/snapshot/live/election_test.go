package live

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

func TestSettingsThatLetTwoControllersLead(t *testing.T) {
	variable := func(name, value string) corev1.EnvVar { return corev1.EnvVar{Name: name, Value: value} }
	namespace := corev1.EnvVar{Name: "SYSTEM_NAMESPACE", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}}}
	for name, tc := range map[string]struct {
		container corev1.Container
		more      map[string]string
		want      []string
	}{
		"as the chart has it":        {container: corev1.Container{Env: []corev1.EnvVar{namespace}}},
		"election off":               {container: corev1.Container{Env: []corev1.EnvVar{variable("DISABLE_LEADER_ELECTION", "true")}}, want: []string{"DISABLE_LEADER_ELECTION=true"}},
		"election off, as Go has it": {container: corev1.Container{Env: []corev1.EnvVar{variable("DISABLE_LEADER_ELECTION", "T")}}, want: []string{"DISABLE_LEADER_ELECTION=T"}},
		"election not off":           {container: corev1.Container{Env: []corev1.EnvVar{variable("DISABLE_LEADER_ELECTION", "false")}}},
		"what Karpenter cannot read": {container: corev1.Container{Env: []corev1.EnvVar{variable("DISABLE_LEADER_ELECTION", "yes")}}},
		"the last one holds":         {container: corev1.Container{Env: []corev1.EnvVar{variable("DISABLE_LEADER_ELECTION", "true"), variable("DISABLE_LEADER_ELECTION", "false")}}},
		"another namespace":          {container: corev1.Container{Env: []corev1.EnvVar{variable("LEADER_ELECTION_NAMESPACE", "default")}}, want: []string{"LEADER_ELECTION_NAMESPACE=default"}},
		"its own namespace":          {container: corev1.Container{Env: []corev1.EnvVar{variable("LEADER_ELECTION_NAMESPACE", "karpenter")}}},
		"namespace of 1.0":           {container: corev1.Container{Env: []corev1.EnvVar{namespace, variable("SYSTEM_NAMESPACE", "default")}}, want: []string{"SYSTEM_NAMESPACE=default"}},
		"another name":               {container: corev1.Container{Env: []corev1.EnvVar{variable("LEADER_ELECTION_NAME", "mine")}}, want: []string{"LEADER_ELECTION_NAME=mine"}},
		"the name that all have":     {container: corev1.Container{Env: []corev1.EnvVar{variable("LEADER_ELECTION_NAME", "karpenter-leader-election")}}},
		"out of a Secret's key": {container: corev1.Container{Env: []corev1.EnvVar{{Name: "DISABLE_LEADER_ELECTION", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "a"}}}}},
			want: []string{"DISABLE_LEADER_ELECTION=" + hidden}},
		"from elsewhere":       {more: map[string]string{"DISABLE_LEADER_ELECTION": "1"}, want: []string{"DISABLE_LEADER_ELECTION=1"}},
		"env beats envFrom":    {container: corev1.Container{Env: []corev1.EnvVar{variable("DISABLE_LEADER_ELECTION", "0")}}, more: map[string]string{"DISABLE_LEADER_ELECTION": "1"}},
		"flag":                 {container: corev1.Container{Args: []string{"--disable-leader-election"}}, want: []string{"--disable-leader-election=true"}},
		"flag with one dash":   {container: corev1.Container{Command: []string{"controller", "-disable-leader-election=true"}}, want: []string{"--disable-leader-election=true"}},
		"flag that is off":     {container: corev1.Container{Args: []string{"--disable-leader-election=false"}}},
		"flag and its value":   {container: corev1.Container{Args: []string{"--leader-election-namespace", "default"}}, want: []string{"--leader-election-namespace=default"}},
		"flag of another kind": {container: corev1.Container{Args: []string{"--batch-idle-duration=1s", "disable-leader-election"}}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(electionSettings("karpenter", &tc.container, tc.more)).To(Equal(tc.want))
		})
	}
}
