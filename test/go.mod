module github.com/karpenter-upgrade/karpenter-upgrade-operator/test

go 1.26.8

require github.com/karpenter-upgrade/karpenter-upgrade-operator v0.0.0

replace github.com/karpenter-upgrade/karpenter-upgrade-operator => ../
