# SPDX-License-Identifier: Apache-2.0
# Builds the image inside a container; doc/BUILD.md says how.
ARG BASE=debian:trixie-slim
FROM ${BASE}
# Not MAKE: a variable of that name tells make which program it is itself.
ARG TARGET=iso
WORKDIR /src
# These first: the packages are installed again only when their lists change.
COPY tools/bootstrap tools/packages*.txt tools/
RUN apt-get update && apt-get install -y --no-install-recommends make && tools/bootstrap
COPY . .
RUN make ${TARGET}
CMD ["ls", "-l", "build/image"]
