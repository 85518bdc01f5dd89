# Everything that is not Go, git and make is built from Go modules at first use, and cached.
SHELL := /usr/bin/env bash -o pipefail
.SHELLFLAGS := -ec
.DEFAULT_GOAL := help

BIN := $(CURDIR)/bin
CHART := charts/karpenter-upgrade-operator
CRD := config/crd/bases/karpenter-upgrade.dev_karpenterupgrades.yaml
VERSION ?= dev
IMG ?= karpenter-upgrade-operator:$(VERSION)
# Kubernetes version that charts are linted for.
KUBE_VERSION := 1.36.0
TEST_TIMEOUT := 55m

##@ General

.PHONY: help
help: ## Show the targets.
	@awk 'BEGIN {FS = ":.*##"} /^[a-zA-Z0-9_-]+:.*?##/ {printf "  \033[36m%-16s\033[0m %s\n", $$1, $$2} /^##@/ {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Upgrade a real Karpenter 1.0.8 to 1.14.1 on a local cluster. KEEP=1 leaves it running.
	@go -C test run ./cmd/demo --out $(CURDIR)/out/demo $(if $(KEEP),--keep)

##@ Development

.PHONY: build
build: ## Build the operator and the kubectl plugin into bin/.
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN)/manager ./cmd
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN)/kubectl-karpenter_upgrade ./cmd/kubectl-karpenter_upgrade

.PHONY: generate
generate: $(BIN)/controller-gen ## Generate deep copies.
	$(BIN)/controller-gen object:headerFile=/dev/null paths=./api/...

.PHONY: manifests
manifests: $(BIN)/controller-gen $(BIN)/crd-ref-docs ## Generate the CRD, the chart's copy of it, and the references of the API and of versions.
	$(BIN)/controller-gen crd:maxDescLen=1024 paths=./api/... output:crd:dir=config/crd/bases
	cp $(CRD) $(CHART)/files/crd.yaml
	$(BIN)/crd-ref-docs --source-path=api/v1alpha1 --config=hack/tools/gen/crd-ref-docs.yaml --renderer=markdown --output-path=docs/reference/api.md
	go run ./hack/docs/versions > docs/reference/versions.md

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code.
	$(BIN)/golangci-lint fmt
	cd test && $(BIN)/golangci-lint fmt --config ../.golangci.yml

.PHONY: tidy
tidy: ## Tidy all Go modules.
	@for m in $$(git ls-files '*go.mod'); do (cd $$(dirname $$m) && go mod tidy); done

.PHONY: docker-build
docker-build: ## Build the image (needs a container engine).
	docker buildx build --build-arg VERSION=$(VERSION) -t $(IMG) .

##@ Sandbox

.PHONY: sandbox-up
sandbox-up: ## Start a local cluster with real Karpenter charts and an AWS emulator.
	@go -C test run ./cmd/sandbox up

.PHONY: sandbox-down
sandbox-down: ## Stop it.
	@go -C test run ./cmd/sandbox down

##@ Tests

.PHONY: test
test: test-unit test-sandbox test-e2e ## Run everything that must hold. Cold on 2 cores this takes the better part of an hour.

.PHONY: test-unit
test-unit: ## Unit tests of the operator, in seconds.
	go test ./...

.PHONY: test-sandbox
test-sandbox: ## Tests of the sandbox's parts, and of the API against a real kube-apiserver.
	go -C test test -timeout $(TEST_TIMEOUT) ./...

.PHONY: test-e2e
test-e2e: ## End-to-end tests on the sandbox.
	go -C test test -tags e2e -timeout $(TEST_TIMEOUT) -p 1 -v ./e2e/...

##@ Checks

.PHONY: lint
lint: lint-go lint-chart lint-generated lint-tidy ## Run all checks.

.PHONY: lint-go
lint-go: $(BIN)/golangci-lint ## Lint the code.
	$(BIN)/golangci-lint run
	cd test && $(BIN)/golangci-lint run --config ../.golangci.yml

.PHONY: lint-chart
lint-chart: $(BIN)/helm ## Lint the chart.
	$(BIN)/helm lint --strict --kube-version $(KUBE_VERSION) $(CHART)
	$(BIN)/helm template operator $(CHART) --kube-version $(KUBE_VERSION) --namespace operator > /dev/null
	@! $(BIN)/helm template operator $(CHART) --kube-version $(KUBE_VERSION) | grep -nE '^\s*(- )?\{?apiGroups:.*"?\*"?|verbs:.*\*|resources:.*\[\*' || { echo 'the chart grants *'; exit 1; }

.PHONY: lint-generated
lint-generated: generate manifests ## Fail when generated files are not in step.
	@git diff --exit-code -- api config $(CHART)/files docs/reference || { echo 'run `make generate manifests` and commit the result'; exit 1; }

.PHONY: lint-tidy
lint-tidy: ## Fail when go.mod or go.sum is not tidy.
	@for m in . test; do (cd $$m && go mod tidy -diff) || { echo "run \`make tidy\` and commit the result ($$m)"; exit 1; }; done

##@ Tools

$(BIN)/controller-gen: hack/tools/gen/go.sum
	go build -C hack/tools/gen -o $@ sigs.k8s.io/controller-tools/cmd/controller-gen

$(BIN)/crd-ref-docs: hack/tools/gen/go.sum
	go build -C hack/tools/gen -o $@ github.com/elastic/crd-ref-docs

$(BIN)/helm: hack/tools/gen/go.sum
	go build -C hack/tools/gen -o $@ helm.sh/helm/v3/cmd/helm

$(BIN)/golangci-lint: hack/tools/lint/go.sum
	go build -C hack/tools/lint -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
