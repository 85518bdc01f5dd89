package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/api/v1alpha1"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/config/crd"
)

// wish is what flags say of an upgrade.
type wish struct {
	file              string
	to                string
	sourceNamespace   string
	sourceRelease     string
	strategy, nodes   string
	repository        string
	plainHTTP         bool
	stops             []string
	targetNamespace   string
	aws               bool
	awsRegion         string
	clusterNameForAWS string
}

func (w *wish) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&w.to, "to", "", "Release of Karpenter to end at, such as 1.14.1.")
	fs.StringVarP(&w.file, "filename", "f", "", "File with a KarpenterUpgrade to plan; - for standard input. Flags win over it.")
	fs.StringVar(&w.sourceNamespace, "source-namespace", "", "Namespace of the Helm release to upgrade, where there are several.")
	fs.StringVar(&w.sourceRelease, "source-release", "karpenter", "Name of the Helm release to upgrade, with --source-namespace.")
	fs.StringVar(&w.strategy, "strategy", "", "BlueGreen or InPlace.")
	fs.StringVar(&w.nodes, "nodes", "", "Replace or Keep.")
	fs.StringSliceVar(&w.stops, "stops", nil, "Releases to stop at on the way.")
	fs.StringVar(&w.targetNamespace, "target-namespace", "", "Namespace to move the release to.")
	fs.StringVar(&w.repository, "chart-repository", "", "OCI repository of the charts karpenter and karpenter-crd.")
	fs.BoolVar(&w.plainHTTP, "plain-http", false, "Talk to the registry without TLS.")
	fs.BoolVar(&w.aws, "aws", false, "Read subnets and security groups in AWS too, with the credentials of the environment.")
	fs.StringVar(&w.awsRegion, "aws-region", "", "Region of the cluster, with --aws.")
	fs.StringVar(&w.clusterNameForAWS, "aws-cluster-name", "", "Name of the EKS cluster, with --aws; left out, the one that Karpenter is configured with.")
}

// spec is the spec that the file and the flags ask for, with the API's defaults, checked against its schema as the API server does; the
// rules that compare fields are the API server's alone.
func (w *wish) spec(in io.Reader) (*v1alpha1.KarpenterUpgradeSpec, error) {
	run := &v1alpha1.KarpenterUpgrade{}
	if w.file != "" {
		doc, err := readFile(w.file, in)
		if err != nil {
			return nil, err
		}
		if err := yaml.UnmarshalStrict(doc, run); err != nil {
			return nil, fmt.Errorf("reading %s: %w", w.file, err)
		}
	}
	w.apply(&run.Spec)
	if run.Spec.Target.Version == "" {
		return nil, errors.New("--to is missing: name the release to upgrade to, such as --to 1.14.1")
	}
	if err := complete(run); err != nil {
		return nil, err
	}
	return &run.Spec, nil
}

func readFile(name string, in io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(name) //nolint:gosec // the file that the user names
}

func (w *wish) apply(spec *v1alpha1.KarpenterUpgradeSpec) {
	set := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	set(&spec.Target.Version, w.to)
	set(&spec.Target.Namespace, w.targetNamespace)
	set(&spec.Target.Chart.Repository, w.repository)
	set((*string)(&spec.Strategy), w.strategy)
	set((*string)(&spec.Nodes), w.nodes)
	spec.Target.Chart.PlainHTTP = spec.Target.Chart.PlainHTTP || w.plainHTTP
	if len(w.stops) > 0 {
		spec.Target.Stops = w.stops
	}
	if w.sourceNamespace != "" {
		spec.Source = &v1alpha1.Source{Namespace: w.sourceNamespace, Release: w.sourceRelease}
	}
	if w.aws {
		if spec.AWS == nil {
			spec.AWS = &v1alpha1.AWS{}
		}
		set(&spec.AWS.Region, w.awsRegion)
		set(&spec.AWS.ClusterName, w.clusterNameForAWS)
	}
}

// complete sets the defaults of the API and checks an object against its schema.
func complete(run *v1alpha1.KarpenterUpgrade) error {
	schema, err := schema()
	if err != nil {
		return err
	}
	run.Name = "plan" // objects of the API have a name
	doc, err := json.Marshal(run)
	if err != nil {
		return err
	}
	object := map[string]any{}
	if err := json.Unmarshal(doc, &object); err != nil {
		return err
	}
	delete(object, "status")
	structural, err := structuralschema.NewStructural(schema)
	if err != nil {
		return fmt.Errorf("the schema of KarpenterUpgrade: %w", err)
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(object, structural)
	defaulting.Default(object, structural)
	validator, _, err := validation.NewSchemaValidator(schema)
	if err != nil {
		return fmt.Errorf("the schema of KarpenterUpgrade: %w", err)
	}
	if errs := validation.ValidateCustomResource(field.NewPath(""), object, validator); len(errs) > 0 {
		return errs.ToAggregate()
	}
	if doc, err = json.Marshal(object); err != nil {
		return err
	}
	return json.Unmarshal(doc, run)
}

func schema() (*apiextensions.JSONSchemaProps, error) {
	definition := &apiextensionsv1.CustomResourceDefinition{}
	if err := yaml.Unmarshal(crd.KarpenterUpgrades, definition); err != nil {
		return nil, fmt.Errorf("the CustomResourceDefinition of KarpenterUpgrade: %w", err)
	}
	out := &apiextensions.JSONSchemaProps{}
	err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(definition.Spec.Versions[0].Schema.OpenAPIV3Schema, out, nil)
	if err != nil {
		return nil, fmt.Errorf("the CustomResourceDefinition of KarpenterUpgrade: %w", err)
	}
	return out, nil
}
