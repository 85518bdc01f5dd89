package phases

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// convert serves a conversion webhook on loopback, in place of Karpenter's own, and lets its CRDs name it. It converts as little
// as can be: objects change their version, and get what v1 requires. The function that it returns ends it.
func (w *world) convert() (stop func()) {
	w.t.Helper()
	certificate, ca := w.certificate()
	server := httptest.NewUnstartedServer(http.HandlerFunc(answerConversion))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	w.t.Cleanup(server.Close)
	for _, name := range []string{nodePoolCRD, nodeClaimCRD, nodeClassCRD} {
		change(w, w.crd(name), func(c *apiextensionsv1.CustomResourceDefinition) {
			c.Spec.Conversion.Webhook.ClientConfig = &apiextensionsv1.WebhookClientConfig{URL: &server.URL, CABundle: ca}
		})
	}
	return server.Close
}

// certificate is a certificate for 127.0.0.1 that is its own authority, and as such in PEM.
func (w *world) certificate() (pair tls.Certificate, ca []byte) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.ok(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "conversion"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: w.clock.Now().Add(-time.Hour), NotAfter: w.clock.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	w.ok(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func answerConversion(out http.ResponseWriter, in *http.Request) {
	review := &apiextensionsv1.ConversionReview{}
	if err := json.NewDecoder(in.Body).Decode(review); err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	response := &apiextensionsv1.ConversionResponse{UID: review.Request.UID, Result: metav1.Status{Status: metav1.StatusSuccess}}
	for _, given := range review.Request.Objects {
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(given.Raw); err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		o.SetAPIVersion(review.Request.DesiredAPIVersion)
		complete(o)
		response.ConvertedObjects = append(response.ConvertedObjects, runtime.RawExtension{Object: o})
	}
	review.Request, review.Response = nil, response
	answer, err := json.Marshal(review)
	if err != nil {
		http.Error(out, err.Error(), http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	_, _ = out.Write(answer)
}

// complete gives an object in v1 what v1beta1 does not require.
func complete(o *unstructured.Unstructured) {
	if o.GroupVersionKind().Version != "v1" {
		return
	}
	var at []string
	switch o.GetKind() {
	case "NodePool":
		at = []string{"spec", "template", "spec", "nodeClassRef"}
	case "NodeClaim":
		at = []string{"spec", "nodeClassRef"}
		if _, ok := specOf(o, "expireAfter").(string); !ok { // the default of v1 would change a spec that is immutable
			_ = unstructured.SetNestedField(o.Object, "720h", "spec", "expireAfter")
		}
	default:
		if _, ok := specOf(o, "amiSelectorTerms").([]any); !ok {
			_ = unstructured.SetNestedSlice(o.Object, []any{map[string]any{"alias": "al2@latest"}}, "spec", "amiSelectorTerms")
		}
		return
	}
	for field, value := range map[string]string{"group": "karpenter.k8s.aws", "kind": "EC2NodeClass"} {
		if _, ok := specOf(o, append(at[1:], field)...).(string); !ok {
			_ = unstructured.SetNestedField(o.Object, value, append(at, field)...)
		}
	}
}
