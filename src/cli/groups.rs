//! `--groups`: hyperparameters that go together.

use std::str::FromStr;

/// `--groups`: names with the patterns of their members.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupsFlag(pub Vec<(String, Vec<String>)>);

impl FromStr for GroupsFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write NAME=A,B;NAME=C, as in \"rates=lr,ratio.*;widths=l1,l2\"";
        let group = |part: &str| {
            let (name, members) =
                part.split_once('=').ok_or_else(|| format!("{part:?} has no '=': {wanted}"))?;
            let members: Vec<_> = members.split(',').map(|m| m.trim().to_owned()).collect();
            match name.trim().is_empty() || members.iter().any(String::is_empty) {
                true => Err(format!("{part:?} lacks a name: {wanted}")),
                false => Ok((name.trim().to_owned(), members)),
            }
        };
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        parts.map(group).collect::<Result<_, _>>().map(Self)
    }
}

impl GroupsFlag {
    /// Each group with the places of its members among `names`.
    ///
    /// # Errors
    /// When a pattern fits none of them, or one is in two groups.
    pub fn members(&self, names: &[&str]) -> anyhow::Result<Vec<(String, Vec<usize>)>> {
        let mut taken: Vec<usize> = Vec::new();
        let mut groups = Vec::new();
        for (name, patterns) in &self.0 {
            let mut members = Vec::new();
            for pattern in patterns {
                let fits = |known: &str| match pattern.strip_suffix('*') {
                    Some(start) => known.starts_with(start),
                    None => known == pattern,
                };
                let found: Vec<_> = (0..names.len()).filter(|&i| fits(names[i])).collect();
                anyhow::ensure!(
                    !found.is_empty(),
                    "{name}: no hyperparameter is called {pattern}; there are {}",
                    names.join(", ")
                );
                members.extend(found);
            }
            if let Some(twice) = members.iter().find(|member| taken.contains(member)) {
                anyhow::bail!("{} is in two groups", names[*twice]);
            }
            taken.extend(&members);
            groups.push((name.clone(), members));
        }
        Ok(groups)
    }
}
