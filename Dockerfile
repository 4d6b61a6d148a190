# The server with its mounted agent. State lives in /data only.
#   docker build -t qingka .  &&  docker run -p 8000:8000 -v qingka:/data qingka

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
RUN python -m venv .venv
COPY requirements/runtime.lock requirements/
RUN .venv/bin/pip install --require-hashes -r requirements/runtime.lock
COPY pyproject.toml README.md alembic.ini ./
COPY app app/
COPY migrations migrations/
COPY templates templates/
COPY static static/
RUN .venv/bin/pip install --no-deps --no-build-isolation -e . \
    && .venv/bin/python -m compileall -q app migrations

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin qingka \
    && install -d -o qingka -g qingka -m 0700 /data
COPY --from=build /app /app
ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    QINGKA_DATA_DIR=/data \
    QINGKA_HOST=0.0.0.0 \
    QINGKA_PORT=8000
WORKDIR /app
USER qingka
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['QINGKA_PORT'] + '/readyz', timeout=4)"]
CMD ["qingka", "serve"]
