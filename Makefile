# Makefile - the front door. Every target is one line that calls Meson, npm or a script in tools/.
.PHONY: run build test bench bench-short bench-million crash sim fuzz format clean install
.NOTPARALLEL:
TIME ?= 60
KILLS ?= 50
SEED ?= 1
RUNS ?= 1000
ONLY ?=

run: ## install what is missing, build, start the demo
	@tools/bootstrap.sh build && tools/build.sh && exec build/cota demo
build: ## the release binary at build/cota
	@tools/bootstrap.sh build && tools/build.sh
test: ## every suite; ONLY="tidy asan" for some
	@tools/bootstrap.sh build test && exec tools/test.py $(ONLY)
bench: ## side by side with nginx and HAProxy
	@tools/bootstrap.sh build bench && tools/build.sh bench && exec tools/bench.py
bench-short: ## its first shape alone, under a minute
	@tools/bootstrap.sh build bench && tools/build.sh bench && exec tools/bench.py --short
bench-million: ## a million keys of 100,000 customers beside a small catalogue: start, memory, calls, lists
	@tools/bootstrap.sh build bench && tools/build.sh bench && exec python3 tools/million.py
crash: ## kill -9 under load, KILLS=50
	@tools/bootstrap.sh build test && tools/build.sh && exec python3 tests/crash/run.py --kills $(KILLS)
sim: ## the seeded simulator against the ledger model, RUNS=1000 SEED=1
	@tools/bootstrap.sh build test && exec tools/sim.sh $(RUNS) $(SEED)
fuzz: ## every fuzz target for TIME=60 seconds
	@tools/bootstrap.sh build test && exec tools/fuzz.py --seconds $(TIME)
format: ## clang-format over everything
	@tools/bootstrap.sh test && tools/format.sh
install: build ## PREFIX through DESTDIR, as Meson does it
	@meson install -C build/release --no-rebuild
clean: ## remove everything that was built
	@rm -rf build
