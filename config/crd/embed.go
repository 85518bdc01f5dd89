// Package crd holds the CustomResourceDefinition of KarpenterUpgrade.
package crd

import _ "embed"

// KarpenterUpgrades is the CustomResourceDefinition, as YAML.
//
//go:embed bases/karpenter-upgrade.dev_karpenterupgrades.yaml
var KarpenterUpgrades []byte
