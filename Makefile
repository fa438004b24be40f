# Every target works in a fresh clone. "make ci" is what CI runs.

GO ?= go

.PHONY: test race lint fmt portable cross fuzz ci tools

test: ## all tests of all modules in go.work
	$(GO) test work

race: ## those of the library and of storm with the race detector, in random order
	scripts/test-race

lint: tools ## formatting, vet, staticcheck
	@test -z "$$(bin/gofumpt -l $$(git ls-files '*.go'))" || \
		{ echo 'not formatted (make fmt):'; bin/gofumpt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet work
	bin/staticcheck work

fmt: tools ## format what git knows
	bin/gofumpt -w $$(git ls-files '*.go')

portable: ## the back end of macOS and the BSDs, on Linux by a build tag
	scripts/test-portable

cross: ## what must build elsewhere
	scripts/cross

fuzz: ## each fuzz target for FUZZTIME
	scripts/fuzz $(or $(FUZZTIME),60s)

ci:
	.ci/run

tools: ## the pinned tools, into bin/
	@GOWORK=off $(GO) -C tools build -o ../bin/ tool
