"""A small model behind llama.cpp's own HTTP server, until standard input ends.

    python server.py WEIGHTS WINDOW

One slot and exactly that window. Writes the address, `http://127.0.0.1:PORT`, as soon as it answers
there. A program of its own, so that it ends with whoever started it, however that ends.
"""

import sys

from xllamacpp import CommonParams, Server

# Two threads that wait for one another on two busy cores are ten times slower than one.
_THREADS = 1
_SEED = 42
# Tokens after which it looks whether the client is still there.
_BATCH = 256


def main(weights: str, window: int) -> None:
    settings = CommonParams()
    settings.model.path = weights
    settings.model_alias = {"smollm2"}
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0  # whichever is free
    settings.n_parallel = 1
    settings.n_ctx = window
    settings.n_batch = _BATCH
    settings.fit_params = False
    settings.ctx_shift = False
    settings.cache_ram_mib = 0
    settings.sampling.seed = _SEED
    settings.cpuparams.n_threads = _THREADS
    settings.cpuparams_batch.n_threads = _THREADS
    server = Server(settings)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
