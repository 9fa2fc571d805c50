//! The data set that a command line asks for.

use super::{DataError, Dataset, cifar10, synthetic};
use std::path::Path;

/// Where CIFAR-10 is looked for, and downloaded to, when no folder is given.
pub const DEFAULT_FOLDER: &str = "data";

/// The value of `--dataset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Choice {
    /// CIFAR-10 where it is found, else synthetic.
    #[default]
    Auto,
    /// CIFAR-10 or an error.
    Cifar10,
    /// The embedded synthetic images.
    Synthetic,
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "cifar10" => Ok(Self::Cifar10),
            "synthetic" => Ok(Self::Synthetic),
            _ => Err(format!("unknown data set `{text}`; known: auto, cifar10, synthetic")),
        }
    }
}

/// Loads the data set that was chosen.
///
/// A `folder` that was given (by flag or environment) has to hold CIFAR-10, except for
/// [`Choice::Synthetic`], which ignores it; without one [`DEFAULT_FOLDER`] is looked into. `size` is
/// that of the synthetic set, should it come to that.
///
/// # Errors
/// [`DataError`], as [`cifar10::read`]; [`DataError::NotFound`] if CIFAR-10 was asked for without a
/// folder and the default one has none.
pub fn load(
    choice: Choice,
    folder: Option<&Path>,
    size: synthetic::Size,
) -> Result<Dataset, DataError> {
    load_with_default(choice, folder, Path::new(DEFAULT_FOLDER), size)
}

fn load_with_default(
    choice: Choice,
    folder: Option<&Path>,
    default: &Path,
    size: synthetic::Size,
) -> Result<Dataset, DataError> {
    match (choice, folder) {
        (Choice::Synthetic, _) => Ok(synthetic::dataset(size)),
        (_, Some(folder)) => cifar10::read(folder),
        (_, None) if cifar10::find(default).is_some() => cifar10::read(default),
        (Choice::Cifar10, None) => Err(DataError::NotFound(default.to_path_buf())),
        (Choice::Auto, None) => Ok(synthetic::dataset(size)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::cifar10::{FILES, tests::records};
    use super::*;

    const SIZE: synthetic::Size = synthetic::Size { train: 10, test: 10 };

    #[test]
    fn a_choice_is_followed() {
        let full = tempfile::tempdir().unwrap();
        for file in FILES {
            std::fs::write(full.path().join(file), records(&[1])).unwrap();
        }
        let empty = tempfile::tempdir().unwrap();
        let (full, empty) = (full.path(), empty.path());
        let name = |choice, folder, default| {
            load_with_default(choice, folder, default, SIZE)
                .map(|data| data.name)
                .map_err(|e| e.to_string())
        };
        for choice in [Choice::Auto, Choice::Cifar10] {
            assert_eq!(name(choice, Some(full), empty).unwrap(), "cifar10");
            assert_eq!(name(choice, None, full).unwrap(), "cifar10");
            assert!(name(choice, Some(empty), full).unwrap_err().contains("no CIFAR-10 in"));
        }
        assert_eq!(name(Choice::Auto, None, empty).unwrap(), "synthetic");
        assert_eq!(name(Choice::Synthetic, Some(full), full).unwrap(), "synthetic");
        let text = name(Choice::Cifar10, None, empty).unwrap_err();
        assert!(text.contains("--data-dir") && text.contains("--download"), "{text}");
        assert!(text.contains(&empty.display().to_string()), "{text}");
    }

    #[test]
    fn found_but_damaged_files_are_an_error_and_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILES[0]), b"x").unwrap();
        let error = load_with_default(Choice::Auto, None, folder.path(), SIZE).unwrap_err();
        assert!(matches!(error, DataError::MissingFiles { .. }), "{error}");
    }

    #[test]
    fn an_unknown_data_set_is_an_error_that_lists_the_known_ones() {
        assert!("mnist".parse::<Choice>().unwrap_err().contains("auto, cifar10, synthetic"));
    }
}
