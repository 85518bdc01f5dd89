module github.com/karpenter-upgrade/karpenter-upgrade-operator

go 1.26.8
