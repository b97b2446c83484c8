# The emulator as one small image without tools. Build: docker build -t dcc-csp-emulator .
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && python3 -m venv --without-pip /opt/emulator \
    && /opt/build/bin/pip --python /opt/emulator/bin/python3 install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /tmp/wheels . \
    && /opt/build/bin/pip --python /opt/emulator/bin/python3 install --no-cache-dir --no-deps /tmp/wheels/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="dcc-csp-emulator" \
    org.opencontainers.image.description="Reference emulator of the GB smart-metering DCC and its CSP networks" \
    org.opencontainers.image.licenses="Apache-2.0" \
    duis.schema="5.4"
RUN groupadd --gid 10001 emulator \
    && useradd --uid 10001 --gid emulator --home-dir /data --no-create-home --shell /usr/sbin/nologin emulator \
    && install --directory --owner emulator --group emulator /data
COPY --from=build /opt/emulator /opt/emulator
ENV PATH=/opt/emulator/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DCC_DUIS__HOST=0.0.0.0 DCC_SMKI__HOST=0.0.0.0 DCC_CONTROL__HOST=0.0.0.0 DCC_STORAGE__FOLDER=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8079 8080 8083
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python3", "-c", \
    "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('DCC_CONTROL__PORT', '8080') + '/_dcc/ready', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["dcc-emulator"]
CMD ["serve"]
