#!/bin/sh
# Makes the keys, certificates and signatures of this folder with the plain openssl commands that operators use.
# Made once with OpenSSL 3.0; the tests use the committed files. Everything is valid for about a hundred years.
# None of the keys protects anything.
set -eu
cd "$(dirname "$0")"

# Private keys in every form that openssl writes.
openssl genrsa -traditional -out rsa1024.pkcs1.pem 1024
openssl genrsa -out rsa2048.pkcs8.pem 2048
openssl rsa -in rsa2048.pkcs8.pem -traditional -out rsa2048.pkcs1.pem
openssl rsa -in rsa2048.pkcs8.pem -traditional -aes128 -passout pass:x -out rsa2048.pkcs1-encrypted.pem
openssl pkcs8 -topk8 -in rsa2048.pkcs8.pem -passout pass:x -out rsa2048.pkcs8-encrypted.pem
openssl genrsa -3 -out rsa2048-e3.pem 2048
openssl genrsa -out rsa8192.pem 8192
openssl genrsa -out rsa768.pem 768
openssl genpkey -algorithm ed25519 -out ed25519.pem
openssl genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:1024 -out rsapss.pem
for curve in prime256v1 secp384r1 secp521r1 secp256k1; do
    openssl ecparam -name $curve -genkey -out $curve.sec1.pem
    openssl pkcs8 -topk8 -nocrypt -in $curve.sec1.pem -out $curve.pkcs8.pem
done
for key in other-ca other-host; do
    openssl ecparam -name prime256v1 -genkey -noout -out $key.sec1.pem
done

# Public keys.
for key in rsa1024.pkcs1 rsa2048.pkcs8 rsa2048-e3 rsa8192 rsa768 rsapss \
    prime256v1.sec1 secp384r1.sec1 secp521r1.sec1; do
    openssl pkey -in $key.pem -pubout -outform DER -out ${key%%.*}.spki
done

# Signatures over a bare hash of 20, 32, 48 and 64 octets: 01 02 03 ..
hash=
for n in 1 2 3 4 5 6 7 8; do
    hash="$hash\\001\\002\\003\\004\\005\\006\\007\\010"
done
for length in 20 32 48 64; do
    printf "$hash" | head -c $length > hash
    for key in rsa1024.pkcs1 rsa2048.pkcs8 rsa2048-e3 rsa8192; do
        openssl pkeyutl -sign -inkey $key.pem -in hash -pkeyopt rsa_padding_mode:pkcs1 -out ${key%%.*}.$length.sig
    done
    for key in prime256v1 secp384r1 secp521r1; do
        openssl pkeyutl -sign -inkey $key.sec1.pem -in hash -out $key.$length.sig
    done
done
# The same with the DigestInfo that IKEv1 does not have.
printf "$hash" | head -c 20 > hash
openssl pkeyutl -sign -inkey rsa2048.pkcs8.pem -in hash -pkeyopt rsa_padding_mode:pkcs1 -pkeyopt digest:sha1 \
    -out rsa2048.digestinfo.sig
rm hash

# The tutorial's commands: a CA that signs itself, a request, a certificate with an IP subjectAltName. ca-v1 is made as
# in the oldest texts, with no extensions at all.
days=36500
openssl req -x509 -new -key rsa2048.pkcs8.pem -subj "/C=DE/O=Example/CN=CA" -days $days -sha1 -out ca.crt
openssl req -new -key rsa2048-e3.pem -subj "/C=DE/O=Example/CN=CA v1" -out ca-v1.csr
openssl x509 -req -in ca-v1.csr -signkey rsa2048-e3.pem -days $days -out ca-v1.crt
printf 'subjectAltName=IP:10.99.0.1,DNS:gw.example,email:admin@gw.example,IP:2001:db8::1\n' > san
printf 'basicConstraints=CA:false\nkeyUsage=digitalSignature\nextendedKeyUsage=1.3.6.1.5.5.7.3.17\n' >> san
openssl req -new -key rsa1024.pkcs1.pem -subj "/C=DE/O=Example/CN=gw.example" -out gw.csr
openssl x509 -req -in gw.csr -CA ca.crt -CAkey rsa2048.pkcs8.pem -set_serial 2 -days $days -sha1 -extfile san \
    -text -out gw.crt
openssl x509 -req -in gw.csr -CA ca-v1.crt -CAkey rsa2048-e3.pem -set_serial 2 -days $days -extfile san -out gw-v1.crt
# EC, every hash.
openssl req -x509 -new -key prime256v1.sec1.pem -subj "/CN=EC CA" -days $days -out ec-ca.crt
for pair in prime256v1:sha256 secp384r1:sha384 secp521r1:sha512; do
    key=${pair%:*}
    openssl req -new -key $key.sec1.pem -subj "/CN=$key" -out ec.csr
    openssl x509 -req -in ec.csr -CA ec-ca.crt -CAkey prime256v1.sec1.pem -set_serial 2 -days $days -${pair#*:} \
        -extfile san -out $key.crt
done
# A chain with name constraints: only gw.example and 10.99.0.0/16 below.
printf 'basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=keyCertSign\n' > constraints
printf 'nameConstraints=critical,permitted;DNS:gw.example,permitted;IP:10.99.0.0/255.255.0.0,excluded;email:evil.example\n' \
    >> constraints
openssl req -new -key secp384r1.sec1.pem -subj "/CN=Constrained CA" -out ec.csr
openssl x509 -req -in ec.csr -CA ec-ca.crt -CAkey prime256v1.sec1.pem -set_serial 3 -days $days -extfile constraints \
    -out constrained-ca.crt
rm -f *.csr san constraints
