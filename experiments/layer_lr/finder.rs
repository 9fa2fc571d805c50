//! placeholder
use super::Flags;
pub fn run(_: &Flags) -> anyhow::Result<()> {
    anyhow::bail!("later")
}
