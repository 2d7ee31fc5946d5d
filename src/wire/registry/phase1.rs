//! The attributes of phase 1 (RFC 2409 appendix A and the IANA registry that continues it).

use super::registry;

registry! {
    /// Attribute classes of phase 1 (RFC 2409 appendix A).
    Phase1Attribute(u16) {
        ENCRYPTION_ALGORITHM = 1, "Encryption Algorithm";
        HASH_ALGORITHM = 2, "Hash Algorithm";
        AUTHENTICATION_METHOD = 3, "Authentication Method";
        GROUP_DESCRIPTION = 4, "Group Description";
        GROUP_TYPE = 5, "Group Type";
        GROUP_PRIME = 6, "Group Prime/Irreducible Polynomial";
        GROUP_GENERATOR_ONE = 7, "Group Generator One";
        GROUP_GENERATOR_TWO = 8, "Group Generator Two";
        GROUP_CURVE_A = 9, "Group Curve A";
        GROUP_CURVE_B = 10, "Group Curve B";
        LIFE_TYPE = 11, "Life Type";
        LIFE_DURATION = 12, "Life Duration";
        PRF = 13, "PRF";
        KEY_LENGTH = 14, "Key Length";
        FIELD_SIZE = 15, "Field Size";
        GROUP_ORDER = 16, "Group Order";
    }
}

registry! {
    /// Ciphers of phase 1 (RFC 2409 appendix A, RFC 3602, RFC 4312).
    EncryptionAlgorithm(u16) {
        DES_CBC = 1, "DES-CBC";
        IDEA_CBC = 2, "IDEA-CBC";
        BLOWFISH_CBC = 3, "Blowfish-CBC";
        RC5_R16_B64_CBC = 4, "RC5-R16-B64-CBC";
        TRIPLE_DES_CBC = 5, "3DES-CBC";
        CAST_CBC = 6, "CAST-CBC";
        AES_CBC = 7, "AES-CBC";
        CAMELLIA_CBC = 8, "CAMELLIA-CBC";
        SERPENT_CBC = 65_004, "SERPENT-CBC";
        TWOFISH_CBC = 65_005, "TWOFISH-CBC";
    }
}

registry! {
    /// Hashes of phase 1 (RFC 2409 appendix A, RFC 4868).
    HashAlgorithm(u16) {
        MD5 = 1, "MD5";
        SHA = 2, "SHA";
        TIGER = 3, "Tiger";
        SHA2_256 = 4, "SHA2-256";
        SHA2_384 = 5, "SHA2-384";
        SHA2_512 = 6, "SHA2-512";
    }
}

registry! {
    /// Authentication methods (RFC 2409 appendix A, RFC 4754, draft-zegman-ike-hybrid-auth-01, draft-beaulieu-ike-xauth-02).
    AuthenticationMethod(u16) {
        PRE_SHARED_KEY = 1, "pre-shared key";
        DSS_SIGNATURES = 2, "DSS signatures";
        RSA_SIGNATURES = 3, "RSA signatures";
        RSA_ENCRYPTION = 4, "Encryption with RSA";
        RSA_REVISED_ENCRYPTION = 5, "Revised encryption with RSA";
        ELGAMAL_ENCRYPTION = 6, "Encryption with El-Gamal";
        ELGAMAL_REVISED_ENCRYPTION = 7, "Revised encryption with El-Gamal";
        ECDSA_SIGNATURES = 8, "ECDSA signatures";
        ECDSA_256 = 9, "ECDSA with SHA-256 on the P-256 curve";
        ECDSA_384 = 10, "ECDSA with SHA-384 on the P-384 curve";
        ECDSA_521 = 11, "ECDSA with SHA-512 on the P-521 curve";
        HYBRID_INIT_RSA = 64_221, "HybridInitRSA";
        HYBRID_RESP_RSA = 64_222, "HybridRespRSA";
        HYBRID_INIT_DSS = 64_223, "HybridInitDSS";
        HYBRID_RESP_DSS = 64_224, "HybridRespDSS";
        XAUTH_INIT_PRE_SHARED = 65_001, "XAUTHInitPreShared";
        XAUTH_RESP_PRE_SHARED = 65_002, "XAUTHRespPreShared";
        XAUTH_INIT_DSS = 65_003, "XAUTHInitDSS";
        XAUTH_RESP_DSS = 65_004, "XAUTHRespDSS";
        XAUTH_INIT_RSA = 65_005, "XAUTHInitRSA";
        XAUTH_RESP_RSA = 65_006, "XAUTHRespRSA";
        XAUTH_INIT_RSA_ENCRYPTION = 65_007, "XAUTHInitRSAEncryption";
        XAUTH_RESP_RSA_ENCRYPTION = 65_008, "XAUTHRespRSAEncryption";
        XAUTH_INIT_RSA_REVISED_ENCRYPTION = 65_009, "XAUTHInitRSARevisedEncryption";
        XAUTH_RESP_RSA_REVISED_ENCRYPTION = 65_010, "XAUTHRespRSARevisedEncryption";
    }
}

registry! {
    /// Diffie-Hellman groups of both phases (RFC 2409, RFC 3526, RFC 5114, RFC 5903, RFC 6932).
    GroupDescription(u16) {
        MODP_768 = 1, "default 768-bit MODP group";
        MODP_1024 = 2, "alternate 1024-bit MODP group";
        EC2N_155 = 3, "EC2N group on GP[2^155]";
        EC2N_185 = 4, "EC2N group on GP[2^185]";
        MODP_1536 = 5, "1536-bit MODP group";
        MODP_2048 = 14, "2048-bit MODP group";
        MODP_3072 = 15, "3072-bit MODP group";
        MODP_4096 = 16, "4096-bit MODP group";
        MODP_6144 = 17, "6144-bit MODP group";
        MODP_8192 = 18, "8192-bit MODP group";
        ECP_256 = 19, "256-bit random ECP group";
        ECP_384 = 20, "384-bit random ECP group";
        ECP_521 = 21, "521-bit random ECP group";
        MODP_1024_160 = 22, "1024-bit MODP Group with 160-bit Prime Order Subgroup";
        MODP_2048_224 = 23, "2048-bit MODP Group with 224-bit Prime Order Subgroup";
        MODP_2048_256 = 24, "2048-bit MODP Group with 256-bit Prime Order Subgroup";
        ECP_192 = 25, "192-bit Random ECP Group";
        ECP_224 = 26, "224-bit Random ECP Group";
        BRAINPOOL_P224 = 27, "224-bit Brainpool ECP group";
        BRAINPOOL_P256 = 28, "256-bit Brainpool ECP group";
        BRAINPOOL_P384 = 29, "384-bit Brainpool ECP group";
        BRAINPOOL_P512 = 30, "512-bit Brainpool ECP group";
    }
}

registry! {
    /// Kinds of groups (RFC 2409 appendix A).
    GroupType(u16) {
        MODP = 1, "MODP";
        ECP = 2, "ECP";
        EC2N = 3, "EC2N";
    }
}

registry! {
    /// Units of a lifetime, the same in both phases (RFC 2409 appendix A, RFC 2407 section 4.5).
    LifeType(u16) {
        SECONDS = 1, "seconds";
        KILOBYTES = 2, "kilobytes";
    }
}
