package aws_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	. "github.com/onsi/gomega"
	"github.com/samber/lo"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/control"
)

func TestTheControlClientReachesTheEmulator(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	g.Expect(e.control.Healthy(t.Context())).To(Succeed())
	g.Expect(control.NewClient("http://127.0.0.1:1", nil).Healthy(t.Context())).To(MatchError(ContainSubstring("calling the AWS emulator")))
}

func TestSettings(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	before, err := e.control.Settings(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	after, err := e.control.UpdateSettings(t.Context(), control.SettingsPatch{LaunchDelay: &metav1.Duration{Duration: 45 * time.Second}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.LaunchDelay.Duration).To(Equal(45 * time.Second))
	after.LaunchDelay = before.LaunchDelay
	g.Expect(after).To(Equal(before), "the others stay")
	for name, patch := range map[string]control.SettingsPatch{
		"a negative delay":            {ShutdownDelay: &metav1.Duration{Duration: -1}},
		"a generation that is not":    {AMIGeneration: lo.ToPtr(9)},
		"a generation before the one": {AMIGeneration: lo.ToPtr(0)},
	} {
		_, err := e.control.UpdateSettings(t.Context(), patch)
		g.Expect(err).To(HaveOccurred(), name)
	}
	g.Expect(e.Settings().AMIGeneration).To(Equal(1))
}

func TestANewGenerationOfImages(t *testing.T) {
	g := NewWithT(t)
	e := start(t)
	first := e.image(t, "x86_64")
	before, err := e.ec2().DescribeImages(t.Context(), &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = e.UpdateSettings(control.SettingsPatch{AMIGeneration: lo.ToPtr(2)})
	g.Expect(err).NotTo(HaveOccurred())

	second := e.image(t, "x86_64")
	g.Expect(second).NotTo(Equal(first), "the parameter points to the new release")
	images, err := e.ec2().DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{first, second}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(images.Images).To(HaveLen(2), "the old release stays")
	dates := map[string]string{}
	for _, i := range images.Images {
		dates[*i.ImageId] = *i.CreationDate
	}
	g.Expect(dates[second] > dates[first]).To(BeTrue(), "%v", dates)
	after, err := e.ec2().DescribeImages(t.Context(), &ec2.DescribeImagesInput{Owners: []string{"amazon"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(after.Images).To(HaveLen(2 * len(before.Images)))
}

func TestTheParametersThatKarpenterReads(t *testing.T) {
	e := start(t)
	api := ssm.NewFromConfig(e.config())
	for _, name := range []string{
		"/aws/service/eks/optimized-ami/1.32/amazon-linux-2/recommended/image_id",
		"/aws/service/eks/optimized-ami/1.32/amazon-linux-2-arm64/recommended/image_id",
		"/aws/service/eks/optimized-ami/1.32/amazon-linux-2-gpu/recommended/image_id",
		"/aws/service/eks/optimized-ami/1.32/amazon-linux-2/amazon-eks-node-1.32-v20260806/image_id",
		"/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id",
		"/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/neuron/recommended/image_id",
		"/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/arm64/nvidia/recommended/image_id",
		"/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/amazon-eks-node-al2023-x86_64-standard-1.36-v20260806/image_id",
		"/aws/service/bottlerocket/aws-k8s-1.36/x86_64/latest/image_id",
		"/aws/service/bottlerocket/aws-k8s-1.36-nvidia/arm64/latest/image_id",
		"/aws/service/bottlerocket/aws-k8s-1.36/arm64/1.44.0/image_id",
		"/sandbox/golden-ami",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out, err := api.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name})
			g.Expect(err).NotTo(HaveOccurred())
			images, err := e.ec2().DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{*out.Parameter.Value}})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(images.Images).To(HaveLen(1))
		})
	}
	_, err := api.GetParameter(t.Context(), &ssm.GetParameterInput{
		Name: sdk.String("/aws/service/eks/optimized-ami/1.33/amazon-linux-2/recommended/image_id"),
	})
	NewWithT(t).Expect(err).To(failWith("ParameterNotFound"))
}

func TestTheRequestLog(t *testing.T) {
	g := NewWithT(t)
	e := start(t, func(c *aws.Config) {
		c.Pod = func(key string) string { return map[string]string{principal: "karpenter-1"}[key] }
		c.RequestLogSize = 5
	})
	e.AddFaultFor(t, control.Fault{Action: "DescribeVpcs", Code: "InternalError"})
	_, _ = e.ec2().DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	_, _ = e.ec2().DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{DryRun: sdk.Bool(true)})
	e.template(t, "launch", "x86_64")
	for range 3 {
		g.Expect(e.subnets(t.Context())).To(Succeed())
	}

	page, err := e.control.Requests(t.Context(), control.RequestFilter{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.Requests).To(HaveLen(5), "the log is bounded")
	g.Expect(page.Dropped).To(BeEquivalentTo(2))
	page, err = e.control.Requests(t.Context(), control.RequestFilter{Service: "ec2", Action: "DescribeSub*", Principal: "karpenter-?", Limit: 2})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(page.Requests).To(HaveLen(2))
	rest, err := e.control.Requests(t.Context(), control.RequestFilter{Action: "DescribeSub*", Since: page.Next})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rest.Requests).To(HaveLen(1))
	g.Expect(rest.Requests[0]).To(And(HaveField("Pod", "karpenter-1"), HaveField("Principal", principal), HaveField("Status", 200),
		HaveField("Region", region), HaveField("UserAgent", ContainSubstring("aws-sdk-go-v2"))))

	counts, err := e.control.Counts(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(counts).To(ContainElements(
		control.Count{Principal: principal, Pod: "karpenter-1", Service: "ec2", Action: "DescribeSubnets", Calls: 3},
		control.Count{Principal: principal, Pod: "karpenter-1", Service: "ec2", Action: "DescribeVpcs", Calls: 1, Errors: 1},
		control.Count{Principal: principal, Pod: "karpenter-1", Service: "ec2", Action: "DescribeInstanceTypes", DryRun: true, Calls: 1},
	), "the counters are of all calls; a dry run that would have succeeded is no error")

	lines := logLines(t, e)
	g.Expect(lines).To(HaveLen(7))
	g.Expect(lines[0]).To(And(HaveField("Error", "InternalError"), HaveField("Fault", "fault-1"), HaveField("Status", 500)))
	made, ok := lo.Find(lines, func(r control.Request) bool { return r.Action == "CreateLaunchTemplate" })
	g.Expect(ok).To(BeTrue())
	g.Expect(made.Params).To(ContainSubstring("LaunchTemplateData.ImageId=ami-"))
	g.Expect(made.Params).NotTo(ContainSubstring(base64.StdEncoding.EncodeToString([]byte("#!/bin/bash"))[:12]), "user data is left out")

	g.Expect(e.control.ClearRequests(t.Context())).To(Succeed())
	g.Expect(e.Requests(control.RequestFilter{}).Requests).To(BeEmpty())
	g.Expect(e.Counts()).To(BeEmpty())
}

// logLines reads the lines of the request log.
func logLines(t *testing.T, e *emulator) (lines []control.Request) {
	t.Helper()
	g := NewWithT(t)
	scanner := bufio.NewScanner(strings.NewReader(e.log.String()))
	for scanner.Scan() {
		var r control.Request
		g.Expect(json.Unmarshal(scanner.Bytes(), &r)).To(Succeed())
		lines = append(lines, r)
	}
	return lines
}

func TestControlCallsThatAreRefused(t *testing.T) {
	e := start(t)
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
		text               string
	}{
		"an unknown member":      {"POST", "/faults", `{"code":"X","colour":"blue"}`, 400, "colour"},
		"no JSON":                {"POST", "/ice", `instanceType=x`, 400, "reading the body"},
		"an unknown path":        {"GET", "/colours", "", 404, ""},
		"another method":         {"PUT", "/settings", "{}", 405, ""},
		"a rule that is not":     {"DELETE", "/ice/ice-9", "", 404, "there is none of that id"},
		"a bad sequence number":  {"GET", "/requests?since=x", "", 400, "since"},
		"a bad limit":            {"GET", "/requests?limit=-1", "", 400, "limit"},
		"an empty message":       {"POST", "/messages", `{}`, 400, "the message is empty"},
		"a message about nobody": {"POST", "/messages", `{"kind":"SpotInterruption"}`, 400, "needs an instanceId"},
		"an unknown kind":        {"POST", "/messages", `{"kind":"Storm","instanceId":"i-1"}`, 400, "Storm"},
		"an unknown state":       {"POST", "/messages", `{"kind":"StateChange","instanceId":"i-1","state":"tired"}`, 400, "tired"},
		"an absent queue":        {"POST", "/messages", `{"queue":"other","body":"x"}`, 400, "does not exist"},
		"an absent instance":     {"POST", "/instances/i-0123456789abcdef0/health", `{}`, 400, "NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			status, _, answer := e.raw(t, tc.method, control.Prefix+tc.path, tc.body, "", nil)
			g.Expect(status).To(Equal(tc.status))
			g.Expect(answer).To(ContainSubstring(tc.text))
			if status == http.StatusBadRequest {
				var doc control.Error
				g.Expect(json.Unmarshal([]byte(answer), &doc)).To(Succeed())
				g.Expect(doc.Error).NotTo(BeEmpty())
			}
		})
	}
}
