//! What sops has and fluxops has not: refused by name, so that nobody relies on it.

use clap::Args;

use crate::cli::{CommandError, Exit};

/// `--ignore-mac`
#[derive(Args)]
pub(super) struct IgnoreMac {
    /// Not supported: a file whose message authentication code does not fit is never opened
    #[arg(long, hide = true)]
    ignore_mac: bool,
}

impl IgnoreMac {
    pub(super) fn refuse(&self) -> Result<(), CommandError> {
        if self.ignore_mac {
            return Err(CommandError::new(
                Exit::Unusable,
                "--ignore-mac is not supported: a file whose message authentication code does not fit was changed by \
                 somebody; mend it, or open it with sops itself",
            ));
        }
        Ok(())
    }
}

/// Keys that files cannot be sealed for. Leaving one out would seal a file for fewer people than its author thinks.
#[derive(Args)]
pub(super) struct ForeignRecipients {
    #[arg(long, short = 'k', hide = true, env = "SOPS_KMS_ARN", value_name = "ARNS")]
    kms: Option<String>,
    #[arg(long, hide = true, env = "SOPS_GCP_KMS_IDS", value_name = "IDS")]
    gcp_kms: Option<String>,
    #[arg(long, hide = true, env = "SOPS_HUAWEICLOUD_KMS_IDS", value_name = "IDS")]
    hckms: Option<String>,
    #[arg(long, hide = true, env = "SOPS_AZURE_KEYVAULT_URLS", value_name = "URLS")]
    azure_kv: Option<String>,
    #[arg(long, hide = true, env = "SOPS_VAULT_URIS", value_name = "URIS")]
    hc_vault_transit: Option<String>,
    #[arg(long, short, hide = true, env = "SOPS_PGP_FP", value_name = "FINGERPRINTS")]
    pgp: Option<String>,
}

impl ForeignRecipients {
    pub(super) fn refuse(&self) -> Result<(), CommandError> {
        let given = [
            ("--kms (SOPS_KMS_ARN)", &self.kms),
            ("--gcp-kms (SOPS_GCP_KMS_IDS)", &self.gcp_kms),
            ("--hckms (SOPS_HUAWEICLOUD_KMS_IDS)", &self.hckms),
            ("--azure-kv (SOPS_AZURE_KEYVAULT_URLS)", &self.azure_kv),
            ("--hc-vault-transit (SOPS_VAULT_URIS)", &self.hc_vault_transit),
            ("--pgp (SOPS_PGP_FP)", &self.pgp),
        ];
        let is_given =
            |(_, value): &&(&str, &Option<String>)| value.as_ref().is_some_and(|text| !text.is_empty());
        match given.iter().find(is_given) {
            None => Ok(()),
            Some((name, _)) => Err(CommandError::new(
                Exit::Unusable,
                format!("{name} is not supported: files are sealed for age recipients only"),
            )),
        }
    }
}
