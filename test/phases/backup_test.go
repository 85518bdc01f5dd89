package phases

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/engine"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/internal/phase/backup"
)

// backupWorld has Karpenter 1.0.8 with a NodePool and a node.
func backupWorld(t *testing.T) (*world, *backup.Phase) {
	t.Helper()
	w := newWorld(t, blueVersion)
	w.installBlue(true)
	w.convert()
	w.blue()
	w.node("n1", "general")
	p := plan()
	p.CRDRelease = karpenterNS + "/" + crdRelease
	w.begin(p)
	return w, &backup.Phase{Kit: w.kit}
}

// config makes a ConfigMap of Karpenter's release.
func (w *world) config(name, content string) {
	w.t.Helper()
	w.ok(w.api.Create(w.ctx(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: karpenterNS, Name: name, Labels: map[string]string{"app.kubernetes.io/instance": blueRelease}},
		Data:       map[string]string{"a": content},
	}))
}

// backups are the Secrets that hold backups.
func (w *world) backups() []corev1.Secret {
	w.t.Helper()
	var found corev1.SecretList
	w.ok(w.api.List(w.ctx(), &found, client.InNamespace(operatorNS), client.HasLabels{v1alpha1.LabelRun}))
	return found.Items
}

func TestTheBackupHoldsWhatARunMayChange(t *testing.T) {
	w, p := backupWorld(t)
	w.workload(shopNS, "web", "n1")
	w.config("settings", "value")
	w.ok(w.api.Create(w.ctx(), &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "validation.webhook.karpenter.sh"}}))
	w.ok(w.api.Create(w.ctx(), &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "somebody-elses"}}))
	w.drive(p.Run)

	files, err := p.Load(w.ctx(), w.run)
	w.ok(err)
	var names []string
	content := map[string]string{}
	for _, f := range files {
		names = append(names, f.Name)
		content[f.Name] = string(f.Data)
	}
	w.Expect(names).To(ConsistOf(
		"customresourcedefinitions/nodepools.karpenter.sh.json", "customresourcedefinitions/nodeclaims.karpenter.sh.json",
		"customresourcedefinitions/ec2nodeclasses.karpenter.k8s.aws.json",
		"karpenter.sh/v1/NodePool/general.json", "karpenter.sh/v1beta1/NodePool/general.json",
		"karpenter.sh/v1/NodeClaim/n1.json", "karpenter.sh/v1beta1/NodeClaim/n1.json",
		"karpenter.k8s.aws/v1/EC2NodeClass/default.json", "karpenter.k8s.aws/v1beta1/EC2NodeClass/default.json",
		"helm/karpenter/karpenter/values.json", "helm/karpenter/karpenter/sh.helm.release.v1.karpenter.v1.json",
		"helm/karpenter/karpenter-crd/values.json", "helm/karpenter/karpenter-crd/sh.helm.release.v1.karpenter-crd.v1.json",
		"deployments/karpenter/karpenter.json", "configmaps/karpenter/settings.json",
		"validatingwebhookconfigurations/validation.webhook.karpenter.sh.json",
		"inventory/nodes.json", "inventory/workloads.json",
	))
	w.Expect(content["helm/karpenter/karpenter/values.json"]).To(MatchJSON(`{"settings": {"clusterName": "sandbox"}}`))
	w.Expect(content["karpenter.sh/v1/NodePool/general.json"]).To(ContainSubstring(`"weight":10`))
	w.Expect(content["inventory/nodes.json"]).To(ContainSubstring(`"Name":"n1","NodePool":"general"`))
	w.Expect(content["inventory/workloads.json"]).To(ContainSubstring(`{"Kind":"Deployment","Namespace":"shop","Name":"web","Replicas":1,"Ready":1}`))

	status := w.run.Status.Backup
	w.Expect(status).To(And(HaveField("Namespace", operatorNS), HaveField("Name", "up-backup"), HaveField("Chunks", int32(1)), HaveField("Objects", int32(18))))
	secrets := w.backups()
	w.Expect(secrets).To(HaveLen(1), "an operator that lost its status wrote the same Secret again")
	w.Expect(metav1.GetControllerOf(&secrets[0]).UID).To(Equal(w.run.UID))
	w.Expect(secrets[0].Data["chunk"]).To(HaveLen(int(status.Bytes)))
}

func TestALargeBackupIsCutIntoSecrets(t *testing.T) {
	w, p := backupWorld(t)
	for i := range 3 {
		noise := make([]byte, 600<<10)
		_, _ = rand.Read(noise)
		w.config(fmt.Sprintf("large-%d", i), base64.StdEncoding.EncodeToString(noise))
	}
	w.drive(p.Run)
	w.Expect(w.run.Status.Backup.Chunks).To(Equal(int32(3)))
	w.Expect(w.backups()).To(ConsistOf(HaveField("Name", "up-backup"), HaveField("Name", "up-backup-1"), HaveField("Name", "up-backup-2")))
	files, err := p.Load(w.ctx(), w.run)
	w.ok(err)
	w.Expect(files).To(ContainElement(HaveField("Name", "configmaps/karpenter/large-2.json")))
}

func TestADamagedChunkIsNoticedAndWrittenAnew(t *testing.T) {
	w, p := backupWorld(t)
	w.Expect(w.step(p.Run).Reason).To(Equal("Verifying"))
	secret := w.backups()[0]
	change(w, &secret, func(s *corev1.Secret) { s.Data["chunk"][100] ^= 1 })
	out := w.step(p.Run)
	w.Expect(out.Kind).To(Equal(engine.KindRetry))
	w.Expect(out.Message).To(ContainSubstring("the backup is damaged"))
	w.Expect(w.run.Status.Backup).To(BeNil())
	w.drive(p.Run)
}

func TestASecretOfSomebodyElseIsNotWrittenOver(t *testing.T) {
	w, p := backupWorld(t)
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNS, Name: "up-backup"}, Data: map[string][]byte{"password": []byte("x")}}
	w.ok(w.api.Create(w.ctx(), theirs))
	out := w.step(p.Run)
	w.Expect(out.Kind).To(Equal(engine.KindFail), "it does not go away by itself")
	w.Expect(out.Message).To(ContainSubstring("secret upgrade-operator/up-backup belongs to something else: delete it, or give this KarpenterUpgrade another name"))
	w.Expect(get(w, &corev1.Secret{}, operatorNS, "up-backup").Data).To(Equal(theirs.Data))
	w.Expect(w.step(p.Undo).Kind).To(Equal(engine.KindDone))
}

func TestNothingIsDoneWithoutABackupOfAllVersions(t *testing.T) {
	w := newWorld(t, blueVersion)
	w.installBlue(true) // nobody answers at the conversion webhook
	w.blue()
	w.begin(plan())
	out := w.step((&backup.Phase{Kit: w.kit}).Run)
	w.Expect(out.Kind).To(Equal(engine.KindRetry))
	w.Expect(out.Message).To(And(ContainSubstring("collecting the backup: listing"), ContainSubstring("conversion webhook")))
	w.Expect(w.backups()).To(BeEmpty())
}
