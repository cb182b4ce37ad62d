//! A cluster's certificates: one authority, made at `up`, that signs for every program and every person.
//!
//! They last as long as certificates can; the authority's key never leaves the state folder, which ends with the testbed.

use std::fs::{self, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use crate::process::write_whole;
use crate::state::{ClusterRecord, NodeRecord};
use crate::user::User;

/// A cluster's `pki` folder.
#[derive(Clone, Debug)]
pub(crate) struct Pki(PathBuf);

impl Pki {
    pub(crate) fn of(cluster_dir: &Path) -> Pki {
        Pki(cluster_dir.join("pki"))
    }

    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.crt"))
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// Public half of the key that signs ServiceAccount tokens.
    pub(crate) fn public_key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pub"))
    }

    /// Everything a cluster needs before its first program starts; nodes come by [`Pki::make_node`].
    pub(crate) fn make_cluster(&self, cluster: &ClusterRecord) -> Result<()> {
        self.make_authority("ca", &format!("{}-ca", cluster.name))?;
        // The aggregation layer must not trust the certificates that people hold, so it has an authority of its own.
        self.make_authority(
            "front-proxy-ca",
            &format!("{}-front-proxy-ca", cluster.name),
        )?;
        let service_accounts = KeyPair::generate()?;
        self.write_key("sa", &service_accounts)?;
        write_whole(
            &self.public_key("sa"),
            service_accounts.public_key_pem().as_bytes(),
        )?;

        let api = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let addresses = [
            cluster.first_node()?.address,
            Ipv4Addr::LOCALHOST,
            cluster.first_service,
        ];
        let names = api
            .map(String::from)
            .into_iter()
            .chain(addresses.map(|address| address.to_string()));
        self.sign(
            "ca",
            "apiserver",
            Subject {
                user: "kube-apiserver",
                group: None,
            },
            names.collect(),
        )?;
        self.sign(
            "front-proxy-ca",
            "front-proxy-client",
            Subject {
                user: "front-proxy-client",
                group: None,
            },
            vec![],
        )?;
        for (file, user, group) in [
            (
                "kubelet-client",
                "kube-apiserver-kubelet-client",
                Some("system:masters"),
            ),
            (
                "kube-controller-manager",
                "system:kube-controller-manager",
                None,
            ),
            ("kube-scheduler", "system:kube-scheduler", None),
            ("kube-proxy", "system:kube-proxy", None),
        ] {
            self.sign("ca", file, Subject { user, group }, vec![])?;
        }
        for user in User::ALL {
            let subject = Subject {
                user: user.username(),
                group: Some(user.group()),
            };
            self.sign("ca", user.short_name(), subject, vec![])?;
        }
        Ok(())
    }

    pub(crate) fn make_node(&self, node: &NodeRecord) -> Result<()> {
        let user = format!("system:node:{}", node.name);
        let names = vec![node.name.clone(), node.address.to_string()];
        self.sign(
            "ca",
            &node.name,
            Subject {
                user: &user,
                group: Some("system:nodes"),
            },
            names,
        )
    }

    fn make_authority(&self, file: &str, name: &str) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = Subject {
            user: name,
            group: None,
        }
        .name();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params
            .self_signed(&key)
            .with_context(|| format!("authority {name}"))?;
        write_whole(&self.certificate(file), certificate.pem().as_bytes())?;
        self.write_key(file, &key)
    }

    fn sign(
        &self,
        authority: &str,
        file: &str,
        subject: Subject<'_>,
        names: Vec<String>,
    ) -> Result<()> {
        let read = |path: PathBuf| {
            fs::read_to_string(&path).with_context(|| format!("{}", path.display()))
        };
        let authority_key =
            KeyPair::from_pem(&read(self.key(authority))?).context("the authority's key")?;
        let issuer = Issuer::from_ca_cert_pem(&read(self.certificate(authority))?, authority_key)
            .context("the authority")?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)
            .with_context(|| format!("names of certificate {file}"))?;
        params.distinguished_name = subject.name();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params
            .signed_by(&key, &issuer)
            .with_context(|| format!("certificate {file}"))?;
        write_whole(&self.certificate(file), certificate.pem().as_bytes())?;
        self.write_key(file, &key)
    }

    fn write_key(&self, file: &str, key: &KeyPair) -> Result<()> {
        let path = self.key(file);
        write_whole(&path, key.serialize_pem().as_bytes())?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))
            .with_context(|| format!("{}", path.display()))
    }
}

struct Subject<'a> {
    user: &'a str,
    group: Option<&'a str>,
}

impl Subject<'_> {
    fn name(&self) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        if let Some(group) = self.group {
            name.push(DnType::OrganizationName, group);
        }
        name.push(DnType::CommonName, self.user);
        name
    }
}
