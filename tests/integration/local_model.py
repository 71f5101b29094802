"""Serves a small local model over OpenAI's API until its standard input ends; its address is the line "at URL".

python -m tests.integration.local_model WEIGHTS.gguf
"""

import sys

import xllamacpp


def main(weights: str) -> None:
    params = xllamacpp.CommonParams()
    params.model.path = weights
    params.port, params.n_ctx, params.n_parallel = 0, 1024, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.endpoint_metrics = True
    params.sampling.temp = 0
    server = xllamacpp.Server(params)
    print("at", server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])
