# fluxops: `make` lists what there is to do. Long work is in scripts/, one file each.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

BIN := target/tools/bin
CLUSTER := $(BIN)/fluxops-testcluster
ORACLES := $(addprefix $(BIN)/,sops age age-keygen kustomize)
VECTORS := target/tools/vectors

.PHONY: help demo test release bench tools cluster cluster-down synapse synapse-down crds verdicts fmt lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	echo "With KUBECONFIG set, demo and test use that cluster instead of the local one."

demo: ## watch a signed commit arrive in a cluster and an unsigned one be refused
	@scripts/demo.sh

test: ## build what is missing and run every check and test
	@scripts/test.sh

release: ## build the static binary that is shipped: target/release-static/fluxops
	@scripts/release.sh

bench: release tools ## measure the static binary beside git, sops and kustomize, and on a control plane
	@benches/side_by_side.py
	@scripts/with-cluster.sh benches/deliveries.py

tools: $(ORACLES) $(VECTORS) ## build sops, age and kustomize and fetch the test vectors, which the tests compare against

cluster: $(CLUSTER) ## start the local control plane in the background
	@scripts/cluster-up.sh
	echo "export KUBECONFIG=$(CURDIR)/target/cluster/kubeconfig"

cluster-down: ## stop the local control plane
	@scripts/cluster-down.sh

synapse: ## start the local Matrix server in the background
	@tests/world/synapse.sh start

synapse-down: ## stop the local Matrix server
	@tests/world/synapse.sh stop

crds: ## write what src/api defines to crds/ and docs/fields.md
	@cargo run --quiet -- crds --dir crds
	cargo run --quiet -- crds --fields > docs/fields.md

verdicts: ## write what the tests of signatures saw to docs/verdicts.md and docs/verdict-reasons.md
	@FLUXOPS_WRITE_DOCS=1 cargo test --quiet -p git-signature --test verdicts
	FLUXOPS_WRITE_DOCS=1 cargo test --quiet --test verify table

fmt: ## format all code
	@cargo fmt --all
	gofmt -w tests/cluster

lint: ## the checks without the tests
	@cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	scripts/go-vet.sh

clean: ## stop everything that was started and delete target/
	@scripts/clean.sh

# One binary for all of the control plane. It is linked with the release that it is built
# from: clients refuse a server whose version they cannot parse.
$(CLUSTER): $(wildcard tests/cluster/*.go) tests/cluster/volumes.yaml tests/cluster/go.mod \
    tests/cluster/go.sum scripts/build-cluster.sh
	@scripts/build-cluster.sh $@

$(ORACLES) &: tests/tools/go.mod tests/tools/go.sum
	@scripts/alive.sh "building the reference tools (2 min at first)" -- \
	  env -C tests/tools GOBIN=$(CURDIR)/$(BIN) CGO_ENABLED=0 go install -trimpath -buildvcs=false tool
	touch $(ORACLES)

$(VECTORS): tests/tools/go.mod tests/tools/go.sum scripts/vectors.sh
	@scripts/vectors.sh $@
