package aws_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

const controllerRole = "arn:aws:iam::123456789012:role/KarpenterControllerRole-sandbox"

// token makes a ServiceAccount token of claims, without a signature worth the name.
func token(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(claims)) + ".c2ln"
}

const karpenterClaims = `{"aud":["sts.amazonaws.com"],"iss":"https://kubernetes.default.svc","sub":"system:serviceaccount:kube-system:karpenter",
	"kubernetes.io":{"namespace":"kube-system","pod":{"name":"karpenter-7f9c-x2","uid":"1"},"serviceaccount":{"name":"karpenter"}}}`

func TestCallersAreWhoTheySay(t *testing.T) {
	g := NewWithT(t)
	out, err := sts.NewFromConfig(start(t).config()).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Account).To(Equal("123456789012"))
	g.Expect(*out.Arn).To(Equal("arn:aws:iam::123456789012:user/" + principal))
}

// TestIRSA signs in as the SDK does in a pod with a role: the call for credentials is not signed.
func TestIRSA(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	file := filepath.Join(t.TempDir(), "token")
	g.Expect(os.WriteFile(file, []byte(token(karpenterClaims)), 0o600)).To(Succeed())
	anonymous := e.config()
	anonymous.Credentials = sdk.AnonymousCredentials{}
	cfg := e.config()
	cfg.Credentials = sdk.NewCredentialsCache(stscreds.NewWebIdentityRoleProvider(sts.NewFromConfig(anonymous), controllerRole,
		stscreds.IdentityTokenFile(file), func(o *stscreds.WebIdentityRoleOptions) { o.RoleSessionName = "karpenter" }))

	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.Arn).To(Equal("arn:aws:sts::123456789012:assumed-role/KarpenterControllerRole-sandbox/karpenter"))
	_, err = ec2.NewFromConfig(cfg).DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{})
	g.Expect(err).NotTo(HaveOccurred())
	calls := e.Requests(control.RequestFilter{Action: "DescribeSubnets"}).Requests
	g.Expect(calls).To(HaveLen(1))
	g.Expect(calls[0].Principal).To(HavePrefix("ASIA"))
	g.Expect(calls[0].Pod).To(Equal("karpenter-7f9c-x2"), "the pod is the one in the token")
}

func TestWebIdentitiesThatAreRefused(t *testing.T) {
	e := start(t)
	for name, tc := range map[string]struct {
		role, token, code string
	}{
		"no token at all":     {controllerRole, "hello", "InvalidIdentityToken"},
		"a token of nonsense": {controllerRole, "a.b.c", "InvalidIdentityToken"},
		"a stranger":          {controllerRole, token(`{"sub":"system:serviceaccount:default:web"}`), "AccessDenied"},
		"an absent role":      {controllerRole + "2", token(karpenterClaims), "AccessDenied"},
		"an untrusting role":  {"arn:aws:iam::123456789012:role/sandbox-node", token(karpenterClaims), "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sts.NewFromConfig(e.config()).AssumeRoleWithWebIdentity(t.Context(), &sts.AssumeRoleWithWebIdentityInput{
				RoleArn: &tc.role, RoleSessionName: sdk.String("s"), WebIdentityToken: &tc.token,
			})
			NewWithT(t).Expect(err).To(failWith(tc.code))
		})
	}
}

func TestAssumeRole(t *testing.T) {
	g := NewWithT(t)
	api := sts.NewFromConfig(start(t).config())
	out, err := api.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: sdk.String(controllerRole), RoleSessionName: sdk.String("karpenter")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*out.AssumedRoleUser.Arn).To(HaveSuffix("assumed-role/KarpenterControllerRole-sandbox/karpenter"))
	g.Expect(*out.Credentials.AccessKeyId).To(HaveLen(20))
	_, err = api.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: sdk.String(controllerRole + "2"), RoleSessionName: sdk.String("s")})
	g.Expect(err).To(failWith("AccessDenied"))
}

func TestPoliciesAreWeighed(t *testing.T) {
	g := NewWithT(t)
	api := iam.NewFromConfig(start(t).config())
	in := &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: sdk.String(controllerRole), MaxItems: sdk.Int32(3),
		ActionNames:  []string{"ec2:CreateFleet", "ec2:DescribeInstanceStatus", "iam:PassRole", "iam:ListInstanceProfiles"},
		ResourceArns: []string{"arn:aws:iam::123456789012:role/KarpenterNodeRole-sandbox", "arn:aws:iam::123456789012:role/admin"},
	}
	decisions := map[string]string{}
	pages := iam.NewSimulatePrincipalPolicyPaginator(api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		for _, r := range page.EvaluationResults {
			decisions[*r.EvalActionName+" "+lo.LastOrEmpty([]string{*r.EvalResourceName})[len("arn:aws:iam::123456789012:role/"):]] = string(r.EvalDecision)
		}
	}
	g.Expect(decisions).To(Equal(map[string]string{
		"ec2:CreateFleet KarpenterNodeRole-sandbox":            "allowed",
		"ec2:CreateFleet admin":                                "allowed",
		"ec2:DescribeInstanceStatus KarpenterNodeRole-sandbox": "allowed",
		"ec2:DescribeInstanceStatus admin":                     "allowed",
		"iam:PassRole KarpenterNodeRole-sandbox":               "allowed",
		"iam:PassRole admin":                                   "implicitDeny",
		"iam:ListInstanceProfiles KarpenterNodeRole-sandbox":   "implicitDeny",
		"iam:ListInstanceProfiles admin":                       "implicitDeny",
	}))
	_, err := api.SimulatePrincipalPolicy(t.Context(), &iam.SimulatePrincipalPolicyInput{
		PolicySourceArn: sdk.String("arn:aws:iam::123456789012:user/admin"), ActionNames: []string{"ec2:CreateFleet"},
	})
	g.Expect(err).To(failWith("NoSuchEntity"))
}

func TestInstanceProfiles(t *testing.T) {
	g := NewWithT(t)
	api := iam.NewFromConfig(start(t).config())
	name := sdk.String(profile)
	_, err := api.TagInstanceProfile(t.Context(), &iam.TagInstanceProfileInput{
		InstanceProfileName: name, Tags: []iamtypes.Tag{{Key: sdk.String("team"), Value: sdk.String("web")}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	out, err := api.GetInstanceProfile(t.Context(), &iam.GetInstanceProfileInput{InstanceProfileName: name})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.InstanceProfile.Tags).To(HaveLen(1))
	g.Expect(*out.InstanceProfile.Roles[0].Arn).To(Equal("arn:aws:iam::123456789012:role/KarpenterNodeRole-sandbox"))
	role := &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: sdk.String("sandbox-node")}
	_, err = api.AddRoleToInstanceProfile(t.Context(), role)
	g.Expect(err).To(failWith("LimitExceeded"), "a profile has one role")
	_, err = api.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: name})
	g.Expect(err).To(failWith("EntityAlreadyExists"))
	_, err = api.CreateInstanceProfile(t.Context(), &iam.CreateInstanceProfileInput{InstanceProfileName: sdk.String("a b")})
	g.Expect(err).To(failWith("ValidationError"))
	_, err = api.RemoveRoleFromInstanceProfile(t.Context(), &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: sdk.String("sandbox-node")})
	g.Expect(err).To(failWith("NoSuchEntity"))
	got, err := api.GetRole(t.Context(), &iam.GetRoleInput{RoleName: sdk.String("sandbox-node")})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*got.Role.RoleId).To(HavePrefix("AROA"))
}
