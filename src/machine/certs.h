// SPDX-License-Identifier: Apache-2.0
// The store's certificates: one CA and one client certificate for all machines, a server certificate for each.
#pragma once

#include "lib/error.h"

struct context;
struct machine;

enum { CERT_DAYS = 1080, CERT_RENEW_DAYS = 30 };

// Makes certs/{ca,ca-key,cert,key}.pem when they are missing; two commands at once make them once.
int certs_ensure(const struct context *ctx, struct error *err) MUST_CHECK;
// Makes a new client certificate, and a new CA unless --tls-ca-cert names one that is not the store's own. Machines keep the
// copies they have, with which they are reached, until their certificates are made anew.
int certs_renew_client(const struct context *ctx, struct error *err) MUST_CHECK;
// Makes the machine's server certificate (names: --tls-san, its IP, localhost, 127.0.0.1) and copies the CA's and the
// client's files into its folder.
int certs_make_server(const struct machine *m, struct error *err) MUST_CHECK;
// 1: the server's certificate is signed by the CA, holds the machine's IP, and is valid for margin_days more. 0: not
// so, the reason in err. Negative: it could not be read. Local files only: fast, and the same when the machine is slow. That it
// passed with no margin is remembered for a day in the machine's certs.checked.
int certs_check_server(const struct machine *m, int margin_days, struct error *err) MUST_CHECK;
