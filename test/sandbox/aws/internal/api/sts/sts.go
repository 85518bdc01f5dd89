// Package sts serves the part of STS that the SDKs and our operator call, in the AWS query protocol.
package sts

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/samber/lo"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/awserr"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/world"
)

// service is STS acting on a world.
type service struct{ w *world.World }

// New describes STS, acting on a world.
func New(w *world.World) *wire.Service {
	s := service{w: w}
	return &wire.Service{
		// SDKs sign for us-east-1 where they use the global endpoint.
		Name: "sts", Protocol: wire.AWSQuery, Version: "2011-06-15", Global: true,
		Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
		Unsigned:  map[string]bool{"AssumeRoleWithWebIdentity": true},
		Operations: map[string]wire.Operation{
			"AssumeRole":                wire.Op(s.assumeRole),
			"AssumeRoleWithWebIdentity": wire.Op(s.assumeRoleWithWebIdentity),
			"GetCallerIdentity":         wire.Op(s.getCallerIdentity),
		},
	}
}

type getCallerIdentityInput struct{}

type getCallerIdentityOutput struct {
	ARN     string `xml:"Arn"`
	UserID  string `xml:"UserId"`
	Account string `xml:"Account"`
}

func (s service) getCallerIdentity(_ context.Context, c wire.Call, _ *getCallerIdentityInput) (*getCallerIdentityOutput, error) {
	id := s.w.Identify(c.Principal)
	return &getCallerIdentityOutput{ARN: id.ARN, UserID: id.UserID, Account: s.w.Seed().Account}, nil
}

// session has the parameters of every call that opens one.
type session struct {
	RoleARN  string `q:"RoleArn,required"`
	Name     string `q:"RoleSessionName,required"`
	Duration int    `q:"DurationSeconds"`
}

// lifetime is how long the session lasts. AWS takes from 15 minutes to 12 hours and gives one hour.
func (s session) lifetime() (time.Duration, error) {
	if s.Duration == 0 {
		return time.Hour, nil
	}
	if s.Duration < 900 || s.Duration > 43200 {
		return 0, awserr.New("ValidationError", "DurationSeconds %d is not between 900 and 43200", s.Duration)
	}
	return time.Duration(s.Duration) * time.Second, nil
}

type assumeRoleInput struct {
	session
	ExternalID string `q:"ExternalId"`
}

type assumedRole struct {
	ARN string `xml:"Arn"`
	ID  string `xml:"AssumedRoleId"`
}

type credentials struct {
	AccessKeyID     string    `xml:"AccessKeyId"`
	SecretAccessKey string    `xml:"SecretAccessKey"`
	SessionToken    string    `xml:"SessionToken"`
	Expiration      wire.Time `xml:"Expiration"`
}

type assumeRoleOutput struct {
	User        assumedRole `xml:"AssumedRoleUser"`
	Credentials credentials `xml:"Credentials"`
}

// assumeRole opens a session of any role of the account: trust between roles is not modelled.
func (s service) assumeRole(_ context.Context, c wire.Call, in *assumeRoleInput) (*assumeRoleOutput, error) {
	role, err := s.role(in.RoleARN, "sts:AssumeRole")
	if err != nil {
		return nil, err
	}
	lifetime, err := in.lifetime()
	if err != nil {
		return nil, err
	}
	caller, _ := s.w.Session(c.Principal)
	opened := s.w.Assume(role, in.Name, caller.Subject, caller.Pod, lifetime)
	return &assumeRoleOutput{User: s.user(opened), Credentials: describe(opened)}, nil
}

type webIdentityInput struct {
	session
	Token string `q:"WebIdentityToken,required"`
}

type webIdentityOutput struct {
	Subject     string      `xml:"SubjectFromWebIdentityToken"`
	Audience    string      `xml:"Audience"`
	Provider    string      `xml:"Provider"`
	User        assumedRole `xml:"AssumedRoleUser"`
	Credentials credentials `xml:"Credentials"`
}

func (s service) assumeRoleWithWebIdentity(_ context.Context, _ wire.Call, in *webIdentityInput) (*webIdentityOutput, error) {
	const action = "sts:AssumeRoleWithWebIdentity"
	claims, err := parseToken(in.Token)
	if err != nil {
		return nil, err
	}
	role, err := s.role(in.RoleARN, action)
	if err != nil {
		return nil, err
	}
	if !lo.ContainsBy(role.WebIdentities, func(p string) bool { return wire.Match(p, claims.Subject) }) {
		return nil, denied(action)
	}
	lifetime, err := in.lifetime()
	if err != nil {
		return nil, err
	}
	opened := s.w.Assume(role, in.Name, claims.Subject, claims.Kubernetes.Pod.Name, lifetime)
	return &webIdentityOutput{
		Subject: claims.Subject, Audience: lo.FirstOrEmpty(claims.Audience),
		Provider: strings.TrimPrefix(s.w.Seed().Cluster.OIDCIssuer, "https://"), User: s.user(opened),
		Credentials: describe(opened),
	}, nil
}

// role finds a role by ARN. As in AWS, an absent role looks like one that must not be assumed.
func (s service) role(arn, action string) (world.RoleView, error) {
	role, err := s.w.Role(arn[strings.LastIndexByte(arn, '/')+1:])
	if err != nil || role.ARN != arn {
		return world.RoleView{}, denied(action)
	}
	return role, nil
}

func denied(action string) error {
	return awserr.New("AccessDenied", "Not authorized to perform %s", action)
}

func (s service) user(opened world.Session) assumedRole {
	id := s.w.Identify(opened.AccessKeyID)
	return assumedRole{ARN: id.ARN, ID: id.UserID}
}

func describe(opened world.Session) credentials {
	return credentials{
		AccessKeyID: opened.AccessKeyID, SecretAccessKey: opened.SecretAccessKey, SessionToken: opened.Token,
		Expiration: wire.Time{Time: opened.Expires},
	}
}

// claims are the parts of a ServiceAccount token that matter here.
type claims struct {
	Subject    string   `json:"sub"`
	Audience   audience `json:"aud"`
	Kubernetes struct {
		Pod struct {
			Name string `json:"name"`
		} `json:"pod"`
	} `json:"kubernetes.io"`
}

// audience is a string or a list of strings.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var single string
	if json.Unmarshal(raw, &single) == nil {
		*a = audience{single}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// parseToken reads the claims of a JSON web token. Its signature, issuer and dates are not looked at.
func parseToken(token string) (claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, awserr.New("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c claims
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil || c.Subject == "" {
		return claims{}, awserr.New("InvalidIdentityToken", "The ID Token provided is not a valid JWT.")
	}
	return c, nil
}
