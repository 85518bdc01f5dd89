package wire_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karpenter-upgrade/karpenter-upgrade-operator/test/sandbox/aws/internal/wire"
)

type common struct {
	DryRun bool `q:"DryRun"`
}

type input struct {
	common
	Name  string    `q:"Name,required"`
	Count int       `q:"Count"`
	Price *float64  `q:"Price"`
	Since time.Time `q:"Since"`
	IDs   []string  `q:"Id"`
	Items []item    `q:"Item"`
	Sub   item      `q:"Sub"`
}

type item struct {
	Key    string   `q:"Key"`
	Values []string `q:"Value"`
}

func TestQueriesAreDecoded(t *testing.T) {
	for name, tc := range map[string]struct {
		protocol wire.Protocol
		query    string
		expect   func(g Gomega, in input)
		err      string
	}{
		"scalars": {wire.EC2Query, "Action=A&Version=1&Name=n&Count=3&Price=1.5&DryRun=true&Since=2026-11-21T10:00:00Z", func(g Gomega, in input) {
			g.Expect(in.Name).To(Equal("n"))
			g.Expect(in.Count).To(Equal(3))
			g.Expect(*in.Price).To(Equal(1.5))
			g.Expect(in.DryRun).To(BeTrue())
			g.Expect(in.Since.Year()).To(Equal(2026))
		}, ""},
		"lists of EC2": {wire.EC2Query, "Name=n&Id.2=b&Id.1=a&Item.1.Key=k&Item.1.Value.1=v&Item.1.Value.2=w&Item.12.Key=z", func(g Gomega, in input) {
			g.Expect(in.IDs).To(Equal([]string{"a", "b"}))
			g.Expect(in.Items[0]).To(Equal(item{Key: "k", Values: []string{"v", "w"}}))
			g.Expect(in.Items[11].Key).To(Equal("z"))
		}, ""},
		"lists of the others":        {wire.AWSQuery, "Name=n&Id.member.1=a&Item.member.1.Value.member.1=v", func(g Gomega, in input) { g.Expect(in.IDs).To(Equal([]string{"a"})) }, ""},
		"structures":                 {wire.EC2Query, "Name=n&Sub.Key=k&Sub.Value.1=v", func(g Gomega, in input) { g.Expect(in.Sub.Values).To(Equal([]string{"v"})) }, ""},
		"an empty list":              {wire.AWSQuery, "Name=n&Id=", func(g Gomega, in input) { g.Expect(in.IDs).To(BeEmpty()) }, ""},
		"an unknown name":            {wire.EC2Query, "Name=n&Zone=z&Colour=c", nil, "UnknownParameter: The parameter Colour"},
		"an unknown part":            {wire.EC2Query, "Name=n&Item.1.Colour=c", nil, "The parameter Item.1.Colour"},
		"a part of a scalar":         {wire.EC2Query, "Name.First=n", nil, "The parameter Name.First"},
		"a structure as a scalar":    {wire.EC2Query, "Name=n&Sub=x", nil, "The parameter Sub"},
		"a list without index":       {wire.EC2Query, "Name=n&Id=x", nil, "The parameter Id"},
		"a list in the other form":   {wire.EC2Query, "Name=n&Id.member.1=x", nil, "The parameter Id.member.1"},
		"an index of nought":         {wire.EC2Query, "Name=n&Id.0=x", nil, "The parameter Id.0"},
		"an index that is too large": {wire.EC2Query, "Name=n&Id.1000000000=x", nil, "The parameter Id.1000000000"},
		"a missing name":             {wire.EC2Query, "Count=1", nil, "MissingParameter: The request must contain the parameter Name"},
		"no number":                  {wire.EC2Query, "Name=n&Count=many", nil, "InvalidParameterValue: Value (many) for parameter Count"},
		"no fraction":                {wire.EC2Query, "Name=n&Price=cheap", nil, "Value (cheap) for parameter Price"},
		"no boolean":                 {wire.EC2Query, "Name=n&DryRun=perhaps", nil, "Value (perhaps) for parameter DryRun"},
		"no time":                    {wire.EC2Query, "Name=n&Since=yesterday", nil, "Value (yesterday) for parameter Since"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			form, err := url.ParseQuery(tc.query)
			g.Expect(err).NotTo(HaveOccurred())
			var in input
			err = wire.DecodeQuery(tc.protocol, form, &in)
			if tc.err != "" {
				g.Expect(err).To(MatchError(ContainSubstring(tc.err)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			tc.expect(g, in)
		})
	}
}

func TestPatterns(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		fits          bool
	}{
		{"a", "a", true}, {"a", "A", false}, {"a", "ab", false}, {"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true},
		{"a*", "abc", true}, {"*c", "abc", true}, {"a*c", "abbbc", true}, {"a*c", "abcd", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*b*b*", "abab", true}, {"*ab", "aab", true}, {"m5.*", "m5.large", true}, {"m5.*", "m5a.large", false}, {"**", "x", true},
	} {
		t.Run(tc.pattern+" "+tc.text, func(t *testing.T) {
			NewWithT(t).Expect(wire.Match(tc.pattern, tc.text)).To(Equal(tc.fits))
		})
	}
}

func TestPagesStayWholeWhileItemsComeAndGo(t *testing.T) {
	g := NewWithT(t)
	p := wire.Paging{Parameter: "max", Min: 1, Max: 10, BadToken: "BadToken"}
	itself := func(s string) string { return s }
	items := []string{"e", "a", "c", "b", "d"}
	first, next, err := wire.Page(p, items, itself, 2, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first).To(Equal([]string{"a", "b"}))
	items = append(slices.DeleteFunc(items, func(s string) bool { return s == "b" }), "aa", "f")
	second, next, err := wire.Page(p, items, itself, 2, next)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second).To(Equal([]string{"c", "d"}))
	third, next, err := wire.Page(p, items, itself, 2, next)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(third).To(Equal([]string{"e", "f"}))
	g.Expect(next).To(BeEmpty())
	_, _, err = wire.Page(p, items, itself, 11, "")
	g.Expect(err).To(MatchError(ContainSubstring("from 1 to 10")))
	_, _, err = wire.Page(p, items, itself, 2, "!")
	g.Expect(err).To(MatchError(ContainSubstring("BadToken")))
}
