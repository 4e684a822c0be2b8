# An image for each service, and one for the commands: watcher, updater, prober, flower, cli.
#
#   docker build --target watcher --tag nadroute-watcher .      (all of them: make images)
#
# PYTHON_IMAGE names the base by version and digest, for x86-64 and arm64 alike: docs/images.md says how to renew it.
ARG PYTHON_IMAGE=docker.io/library/python:3.13.15-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

# What installs and builds. Nothing of these stages but /opt/nadroute gets into an image.
FROM ${PYTHON_IMAGE} AS tools
RUN python3 -m venv /tools

FROM tools AS installer
COPY scripts/install-image-packages scripts/licenses.py /

# The packages of each image, before the sources: a change of code installs nothing anew.
FROM installer AS watcher-packages
COPY requirements/watcher.lock /
RUN /install-image-packages /watcher.lock

FROM installer AS updater-packages
COPY requirements/updater.lock /
RUN /install-image-packages /updater.lock

FROM installer AS prober-packages
COPY requirements/prober.lock /
RUN /install-image-packages /prober.lock

FROM installer AS flower-packages
COPY requirements/flower.lock /
RUN /install-image-packages /flower.lock

FROM installer AS cli-packages
COPY requirements/cli.lock /
RUN /install-image-packages /cli.lock

# nadroute itself, with the engine's hot modules compiled.
FROM tools AS program
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/build.lock /
RUN /tools/bin/pip install --disable-pip-version-check --no-cache-dir --no-deps --only-binary=:all: --require-hashes \
        --requirement /build.lock
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY services ./services
COPY scripts/compile.py ./scripts/
RUN python3 -m venv --without-pip /opt/nadroute \
    && /tools/bin/pip wheel --disable-pip-version-check --no-cache-dir --no-index --no-deps --no-build-isolation \
        --wheel-dir /wheels . \
    && /tools/bin/pip --python /opt/nadroute/bin/python install --disable-pip-version-check --no-cache-dir --no-compile \
        --no-index --no-deps /wheels/*.whl \
    && /tools/bin/python scripts/compile.py \
        "$(/opt/nadroute/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && /opt/nadroute/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/nadroute/lib

FROM ${PYTHON_IMAGE} AS service
# A running container installs nothing.
RUN python3 -c 'import ensurepip, shutil, sysconfig, glob, os; \
    [shutil.rmtree(path) if os.path.isdir(path) else os.remove(path) for path in \
     [os.path.dirname(ensurepip.__file__), *glob.glob(sysconfig.get_path("purelib") + "/pip*"), *glob.glob("/usr/local/bin/pip*")]]'
COPY scripts/answers /usr/local/bin/
# The root file system is read-only at run time: libraries write to /tmp.
ENV PATH=/opt/nadroute/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /
# An arbitrary unprivileged user.
USER 65532:65532
ENTRYPOINT ["nadroute"]
ARG PYTHON_IMAGE
# Licenses: of what is added to the base image, package by package in /opt/nadroute/LICENSES.
LABEL org.opencontainers.image.vendor="nadroute" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"

FROM service AS watcher
LABEL org.opencontainers.image.title="nadroute-watcher" \
      org.opencontainers.image.description="Decides which VLANs of a Harvester cluster are probed, when and from which host" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND ISC AND MIT AND MPL-2.0 AND PSF-2.0"
COPY --from=watcher-packages /opt/nadroute /opt/nadroute
COPY --from=program /opt/nadroute /opt/nadroute
CMD ["watcher"]

FROM service AS updater
LABEL org.opencontainers.image.title="nadroute-updater" \
      org.opencontainers.image.description="Writes the route connectivity of every Harvester VM network" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND ISC AND MIT AND MPL-2.0 AND PSF-2.0"
COPY --from=updater-packages /opt/nadroute /opt/nadroute
COPY --from=program /opt/nadroute /opt/nadroute
CMD ["updater"]

FROM service AS prober
LABEL org.opencontainers.image.title="nadroute-prober" \
      org.opencontainers.image.description="Probes VLANs from one host's own interfaces" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND MIT AND PSF-2.0"
COPY --from=prober-packages /opt/nadroute /opt/nadroute
COPY --from=program /opt/nadroute /opt/nadroute
# The uplinks are interfaces of the host: NET_RAW is the only capability that it is given. As another user it would not
# have that one either, since a file capability does not work without new privileges.
USER 0:0
CMD ["prober"]

FROM service AS flower
LABEL org.opencontainers.image.title="nadroute-flower" \
      org.opencontainers.image.description="Flower: the workers and tasks of nadroute in a browser" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND MIT AND PSF-2.0"
COPY --from=flower-packages /opt/nadroute /opt/nadroute
COPY --from=program /opt/nadroute /opt/nadroute
CMD ["flower"]

FROM service AS cli
LABEL org.opencontainers.image.title="nadroute-cli" \
      org.opencontainers.image.description="The commands of nadroute: status, explain, probe, doctor and others" \
      org.opencontainers.image.licenses="Apache-2.0 AND BSD-2-Clause AND BSD-3-Clause AND ISC AND MIT AND MIT-0 AND MPL-2.0 AND PSF-2.0"
COPY --from=cli-packages /opt/nadroute /opt/nadroute
COPY --from=program /opt/nadroute /opt/nadroute
CMD ["--help"]
